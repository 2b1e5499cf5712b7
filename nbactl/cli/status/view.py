"""The board of `nbactl status` for a person and for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.cli.run.json import run_json
from nbactl.cli.run.text import open_tasks_told, state
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment
from nbactl.core._support.durations import format_duration
from nbactl.core.lease.holder import describe

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.workflows.board import Board, PhaseLine


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
    """Show the board: phases, who is at work, what is still wrong."""
    console.print(
        Styled(str(board.game_date), "bold"),
        Styled(f"  {board.source} on {board.target}, at {clock_time(board.now)} Eastern", "dim"),
    )
    rows = [_phase_row(console, phase, board) for phase in board.phases]
    console.table(["phase", "state", "tasks", "deadline", "remark"], rows, optional=["deadline", "tasks"])
    if board.running:
        _heading(console, "At work")
        for run in board.running:
            passed = format_duration((board.now - run.started_at).total_seconds())
            console.print(f"  {run.name} {run.game_date}", Styled(f"  for {passed}, {describe(run.owner)}", "dim"))
    owners = {run.owner for run in board.running}
    strays = [holder for holder in board.holders if holder.owner not in owners]
    if strays:
        _heading(console, "Leases of no run that goes on")
        for holder in strays:
            console.print(f"  {holder.lease}", Styled(f"  {describe(holder.owner)}", "dim"))
    if board.failures:
        _heading(console, "Still wrong")
        for run in board.failures:
            console.print(
                f"  {run.name} {run.game_date} ",
                state(console, "interrupted" if run.finished_at is None else run.status.value),
                Styled(f"  {run.run_id}, {moment(run.started_at)}: {open_tasks_told(run)}", "dim"),
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
    parts += [f"failed: {', '.join(phase.failed)}"] if phase.failed else []
    if phase.missing and phase.run is not None:
        parts.append(f"not done: {', '.join(phase.missing)}")
    return Styled("; ".join(parts), "red" if phase.wrong else "dim")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Styled(text, "bold"))
