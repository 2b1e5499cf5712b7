"""The board of a game date as text and as JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.run.json import run_json
from nbactl.cli.run.text import state, why_not_done
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment, zone_name
from nbactl.cli.status.production import (
    hand_off_text,
    locks_json,
    production_json,
    show_details,
    show_locks,
    tier_text,
)
from nbactl.core._support.durations import format_duration
from nbactl.core.lease.holder import describe
from nbactl.errors import CheckFailedError, PartialRunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.errors import NbactlError
    from nbactl.workflows.board import Board, PhaseLine
    from nbactl.workflows.model import RunRecord


_PAGE: Final = 80
"""Columns to which reasons are folded where there is no terminal."""
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
        warnings=_warnings(drawn),
        error=error,
    )


def _warnings(drawn: Board) -> tuple[str, ...]:
    unchecked = () if drawn.unchecked is None else (f"freshness was not checked: {drawn.unchecked}",)
    return (*unchecked, *(drawn.production.warnings if drawn.production is not None else ()))


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
    found = _wrong(drawn) or _outdated(drawn)
    if not found:
        return None
    summary = ", ".join(f"{len(names)} {word} ({', '.join(names)})" for word, names in found.items())
    message = f"{drawn.game_date}: {summary}"
    first = next((phase for phase in drawn.phases if phase.wrong and not phase.gone), None)
    run = first.run if first is not None else next(iter(drawn.failed), None)
    if first is None and run is None:
        left = [phase for phase in drawn.phases if phase.state in ("stale", "incomplete")]
        reasons = {phase.name: phase.reason for phase in left if phase.reason}
        *_, last = reasons
        again = shlex.join(["nbactl", "run", last, "--date", str(drawn.game_date), *options])
        kind = CheckFailedError if drawn.wrong else PartialRunError
        return kind(message, cause=next(iter(reasons.values())), next_step=f"Run what is left: {again}")
    if first is not None and first.production is not None and first.production.late is not None:
        return _late_error(message, first, drawn, options)
    look = f"nbactl runs show {run.run_id}" if run else f"nbactl runs list --date {drawn.game_date}"
    return CheckFailedError(message, next_step=f"Look: {look}")


def _late_error(message: str, phase: PhaseLine, drawn: Board, options: Sequence[str]) -> CheckFailedError:
    """Return the error of a phase that production did not end in time, or did not hand on."""
    report = phase.production
    what, since = (report.late if report is not None else None) or ("late", drawn.now)
    names = [line.name for line in drawn.phases]
    following = names[names.index(phase.name) + 1 : names.index(phase.name) + 2]
    name, verb = (following[0], "Start") if following and what.startswith("hand-off") else (phase.name, "Run")
    command = shlex.join(["nbactl", "run", name, "--date", str(drawn.game_date), *options])
    return CheckFailedError(
        message, cause=f"{phase.name}: {what} since {moment(since)}.", next_step=f"{verb} {name}: {command}"
    )


def _outdated(drawn: Board) -> dict[str, list[str]]:
    """Return the names of the phases that are to be done again by their state."""
    found = [phase for phase in drawn.phases if phase.state in ("stale", "incomplete")]
    return {
        state: [phase.name for phase in found if phase.state == state]
        for state in dict.fromkeys(p.state for p in found)
    }


def _wrong(drawn: Board) -> dict[str, list[str]]:
    """Return the names of what is wrong with the date by `failed`, `late` and so on."""
    found: list[tuple[str, str]] = [(_word(phase), phase.name) for phase in drawn.phases if phase.wrong]
    phases = {phase.name for phase in drawn.phases}
    found += [(_failure(run), run.name) for run in drawn.failed if run.name not in phases]
    return {word: [name for this, name in found if this == word] for word in dict.fromkeys(word for word, _ in found)}


def _word(phase: PhaseLine) -> str:
    """Return in a word what is wrong with a phase."""
    late = phase.production is not None and phase.production.late is not None
    return "late" if phase.late or (late and phase.state not in ("failed", "unreadable")) else phase.state


def _failure(run: RunRecord) -> str:
    return "interrupted" if run.finished_at is None else run.status.value


def board_json(board: Board) -> dict[str, Any]:
    """Return the board as `data` of the envelope."""
    return {
        "game_date": str(board.game_date),
        "source": board.source,
        "source_origin": board.source_origin,
        "wrong": board.wrong,
        "idle": None if board.idle is None else {"kind": board.idle.kind, "reason": board.idle.reason},
        "counts": {word: len(names) for word, names in _wrong(board).items()},
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
                "by": phase.by,
                "production": production_json(phase.production),
            }
            for phase in board.phases
        ],
        "running": [run_json(run) for run in board.running],
        "failures": [run_json(run) for run in board.failures],
        "leases": [{"name": holder.lease, "holder": describe(holder.owner)} for holder in board.holders],
        "mode": None if board.production is None else board.production.mode,
        "locks": locks_json(board.production),
    }


def show_board(console: Console, board: Board) -> None:
    """Show the board: phases, what is running, and failures that were not repaired."""
    place = f"{_place(board)}, at {clock_time(board.now)} {zone_name()}{_mode(board)}"
    console.out.print_hanging(Styled(str(board.game_date), "bold"), "  ", text=place, indent=12)
    rows = [_phase_row(console, phase, board) for phase in board.phases]
    console.table(["phase", "state", "tasks", "deadline", "remark"], rows, optional=["tasks"])
    if board.idle is not None:
        console.print(f"Nothing is expected on {board.game_date}: {board.idle.reason}")
    show_details(console, [phase.production for phase in board.phases if phase.production is not None], board.now)
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
    if board.production is not None:
        show_locks(console, board.production)
    if board.failed:
        _heading(console, "Failures")
        _show_failures(console, board.failed)
    if others := [run for run in board.failures if run not in board.failed]:
        _heading(console, "Failures of other dates")
        _show_failures(console, others)
        console.note(Styled("Dismiss one: nbactl runs dismiss RUN", "dim"))


def _mode(board: Board) -> str:
    """Return the mode where production did something."""
    if board.production is None or not any(phase.production for phase in board.phases):
        return ""
    return f", mode {board.production.mode}"


def _place(board: Board) -> str:
    """Return the target, and the source unless only services, which have their own, can have used it."""
    if board.target == "gcp" and board.source_origin == "default":
        return "on gcp"
    return f"{board.source}{' (of the last run)' if board.source_origin == 'last run' else ''} on {board.target}"


def _show_failures(console: Console, runs: Iterable[RunRecord]) -> None:
    """Show each failure with its reason folded below it, so that the id of the run stays on one line."""
    for run in runs:
        console.print(
            f"  {run.name} {run.game_date} ",
            state(console, _failure(run)),
            Styled(f"  {run.run_id}, {moment(run.started_at)}", "dim"),
        )
        if why := why_not_done(run):
            width = console.out.width if console.out.is_terminal else _PAGE
            console.out.print_hanging("    ", text=why, indent=4, width=width)


def _phase_row(console: Console, phase: PhaseLine, board: Board) -> list[Segment | None]:
    deadline: Segment | None = None
    if phase.late and phase.deadline is not None:
        deadline = Styled(f"late by {format_duration((board.now - phase.deadline).total_seconds())}", "bold red")
    elif phase.state == "running" and phase.deadline is not None:
        deadline = f"in {format_duration((phase.deadline - board.now).total_seconds())}"
    elif phase.production is not None:
        deadline = tier_text(phase.production, board.now)
    return [
        phase.name,
        state(console, phase.state),
        f"{len(phase.done)}/{len(phase.tasks)}" if phase.tasks else None,
        deadline,
        _remark(phase, board),
    ]


def _remark(phase: PhaseLine, board: Board) -> Segment:
    if phase.state == "unavailable":
        return Styled(f"none of its tasks runs on target {board.target}", "dim")
    if phase.state == "unreadable":
        what = "its last run" if phase.by in (None, "nbactl") else "its phase document"
        return Styled(f"{what} cannot be read", "red")
    parts = (
        [f"waits for {', '.join(phase.waits_for)}"]
        if phase.waits_for and phase.run is None and phase.by is None
        else []
    )
    parts += [phase.reason] if phase.reason and phase.by in (None, "nbactl") else []
    parts += [f"failed: {', '.join(phase.failed)}"] if phase.failed else []
    if phase.state == "unrecorded":
        return Styled("; ".join(parts), "dim")
    if phase.missing and (phase.run is not None or phase.by is not None):
        parts.append(f"not done: {', '.join(phase.missing)}")
    if phase.production is not None and phase.by not in (None, "nbactl"):
        parts.insert(0, f"by {phase.by}")
    if phase.production is not None and (hand_off := hand_off_text(phase.production, board.now)) is not None:
        parts.append(hand_off)
    if phase.run is not None and phase.run.dismissed is not None:
        parts.append("dismissed")
    return Styled("; ".join(parts), "red" if phase.wrong else "dim")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Styled(text, "bold"))
