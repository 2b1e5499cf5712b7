"""The board of a game date as text and as JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.run.json import run_json
from nbactl.cli.run.text import state, why_not_done
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment, zone_name
from nbactl.core._support.durations import format_duration
from nbactl.core.lease.holder import describe
from nbactl.errors import CheckFailedError, PartialRunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.errors import NbactlError
    from nbactl.workflows.board import Board, PhaseLine


_CLEAR: Final = "\x1b[H\x1b[J"
_OTHER_SCREEN, _FIRST_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def board(drawn: Board, options: Sequence[str] = ()) -> View:
    """Show the board: exit code 1 if something failed, is late or is gone, 3 if something is stale or incomplete.

    `options` are the words of the call that name its place and source, for the command that runs what is left.
    """
    error = _error(drawn, options)
    return View(
        board_json(drawn),
        lambda console: show_board(console, drawn),
        exit_code=0 if error is None else error.exit_code,
        warnings=() if drawn.unchecked is None else (f"freshness was not checked: {drawn.unchecked}",),
        error=error,
    )


def watched(boards: Iterator[Board], console: Console, *, in_place: bool) -> View:
    """Show boards as they come, until Ctrl-C ends them."""

    def lines() -> Iterator[dict[str, Any]]:
        for drawn in boards:
            yield board_json(drawn)
            console.out.flush()

    def show(console: Console) -> None:
        if in_place:
            _draw_in_place(console, boards)
            return
        for drawn in boards:
            show_board(console, drawn)
            console.print()
            console.out.flush()

    return View({"boards": lines()}, show, items="boards")


def _draw_in_place(console: Console, boards: Iterator[Board]) -> None:
    console.out.write(_OTHER_SCREEN)
    try:
        for drawn in boards:
            console.out.write(_CLEAR)
            show_board(console, drawn)
            console.print("\nPress Ctrl-C to leave.")
            console.out.flush()
    finally:
        console.out.write(_FIRST_SCREEN)
        console.out.flush()


def _error(drawn: Board, options: Sequence[str]) -> NbactlError | None:
    wrong = [phase for phase in drawn.phases if phase.wrong]
    outdated = [phase for phase in drawn.phases if phase.state in ("stale", "incomplete")]
    if not wrong and not outdated:
        return None
    found = wrong or outdated
    summary = ", ".join(f"{phase.name} {'late' if phase.late else phase.state}" for phase in found)
    message = f"{drawn.game_date}: {summary}"
    if all(phase.reason is not None for phase in found):
        again = shlex.join(["nbactl", "run", outdated[-1].name, "--date", str(drawn.game_date), *options])
        step = f"Run what is left: {again}"
        kind = CheckFailedError if wrong else PartialRunError
        return kind(message, cause=found[0].reason, next_step=step)
    first = wrong[0]
    look = f"nbactl runs show {first.run.run_id}" if first.run else f"nbactl runs list --name {first.name}"
    return CheckFailedError(message, next_step=f"Look: {look}")


def board_json(board: Board) -> dict[str, Any]:
    """Return the board as `data` of the envelope."""
    return {
        "game_date": str(board.game_date),
        "source": board.source,
        "wrong": board.wrong,
        "phases": [
            {
                "name": phase.name,
                "state": phase.state,
                "reason": phase.reason,
                "late": phase.late,
                "deadline_at": phase.deadline.isoformat() if phase.deadline else None,
                "run_id": phase.run.run_id if phase.run else None,
                "tasks": list(phase.tasks),
                "done": list(phase.done),
                "failed": list(phase.failed),
                "missing": list(phase.missing),
                "waits_for": list(phase.waits_for),
            }
            for phase in board.phases
        ],
        "running": [run_json(run) for run in board.running],
        "failures": [run_json(run) for run in board.failures],
        "leases": [{"name": holder.lease, "holder": describe(holder.owner)} for holder in board.holders],
    }


def show_board(console: Console, board: Board) -> None:
    """Show the board: phases, what is running, and failures that were not repaired."""
    console.print(
        Styled(str(board.game_date), "bold"),
        Styled(f"  {board.source} on {board.target}, at {clock_time(board.now)} {zone_name()}", "dim"),
    )
    rows = [_phase_row(console, phase, board) for phase in board.phases]
    console.table(["phase", "state", "tasks", "deadline", "remark"], rows, optional=["tasks"])
    if board.running:
        _heading(console, "Running")
        for run in board.running:
            passed = format_duration((board.now - run.started_at).total_seconds())
            console.print(f"  {run.name} {run.game_date}", Styled(f"  for {passed}, {describe(run.owner)}", "dim"))
    owners = {run.owner for run in board.running}
    without_run = [holder for holder in board.holders if holder.owner not in owners]
    if without_run:
        _heading(console, "Leases without a running run")
        for holder in without_run:
            console.print(f"  {holder.lease}", Styled(f"  {describe(holder.owner)}", "dim"))
    if board.failures:
        _heading(console, "Failures")
        for run in board.failures:
            console.print(
                f"  {run.name} {run.game_date} ",
                state(console, "interrupted" if run.finished_at is None else run.status.value),
                Styled(f"  {run.run_id}, {moment(run.started_at)}: {why_not_done(run)}", "dim"),
            )


def _phase_row(console: Console, phase: PhaseLine, board: Board) -> list[Segment | None]:
    deadline: Segment | None = None
    if phase.late and phase.deadline is not None:
        deadline = Styled(f"late by {format_duration((board.now - phase.deadline).total_seconds())}", "bold red")
    elif phase.state == "running" and phase.deadline is not None:
        deadline = f"in {format_duration((phase.deadline - board.now).total_seconds())}"
    return [
        phase.name,
        state(console, phase.state),
        f"{len(phase.done)}/{len(phase.tasks)}" if phase.tasks else None,
        deadline,
        _remark(phase, board.target),
    ]


def _remark(phase: PhaseLine, target: str) -> Segment:
    if phase.state == "unavailable":
        return Styled(f"none of its tasks runs on target {target}", "dim")
    parts = [f"waits for {', '.join(phase.waits_for)}"] if phase.waits_for and phase.run is None else []
    parts += [phase.reason] if phase.reason else []
    parts += [f"failed: {', '.join(phase.failed)}"] if phase.failed else []
    if phase.missing and phase.run is not None:
        parts.append(f"not done: {', '.join(phase.missing)}")
    return Styled("; ".join(parts), "red" if phase.wrong else "dim")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Styled(text, "bold"))
