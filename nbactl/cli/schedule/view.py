"""The timetable and the outcome of a tick as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.core._support.gamedate import EASTERN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.cli.schedule.command import DueWorkflows, ListedDecision, Timetable
    from nbactl.cli.show.console import Console
    from nbactl.core._support.gamedate import GameDate
    from nbactl.schedule.controller import Decided, Execution
    from nbactl.schedule.occurrences import Occurrence, TimetableRow

_SHOWN_TIMES: Final = 4
_SHOWN_SKIPPED: Final = 50
"""More come after days without a tick."""


def timetable(found: Timetable) -> View:
    """Show when each workflow is due, in the order of the day."""

    def show(console: Console) -> None:
        console.table(
            ["workflow", "due (Eastern)", "game date", "description"],
            [
                (
                    row.name,
                    row.reason or _times(row.due, found.date),
                    str(row.due[0].game_date) if row.due else "",
                    row.workflow.description,
                )
                for row in found.rows
            ],
            optional=["description"],
        )

    data = {
        "date": str(found.date),
        "first_game": found.first_game,
        "workflows": [_row_json(row) for row in found.rows],
    }
    return View(data, show, items="workflows")


def due(found: DueWorkflows) -> View:
    """Show what is decided about each workflow at a time, what is run first."""

    def show(console: Console) -> None:
        decision_table(console, found.decided)

    data = {"at": found.at, "decisions": [decided_json(one) for one in _ordered(found.decided)]}
    return View(data, show, items="decisions")


def decisions(found: Sequence[ListedDecision]) -> View:
    """Show decisions, the newest first, with what became of them."""

    def show(console: Console) -> None:
        if not found:
            console.note("No decisions.")
            return
        console.table(
            ["decided", "workflow", "game date", "action", "run", "reason"],
            [
                (
                    f"{one.decision.decided_at.astimezone(EASTERN):%Y-%m-%d %H:%M}",
                    one.decision.workflow,
                    str(one.decision.game_date),
                    one.decision.action.value,
                    _run_of(one),
                    one.decision.reason,
                )
                for one in found
            ],
            key=["decided", "workflow", "action", "run"],
        )
        orphans = [one.decision.id for one in found if one.orphan]
        if orphans:
            console.note(f"Without a run: {', '.join(orphans)}. A tick runs them while it is not too late.")

    return View({"decisions": [_listed_json(one) for one in found]}, show, items="decisions")


def _run_of(listed: ListedDecision) -> str:
    if listed.execution is not None:
        return f"{listed.execution.run_id} {listed.execution.status}"
    if listed.orphan:
        return "none: orphan"
    return listed.decision.outcome or ("starting" if listed.decision.open else "")


def _listed_json(listed: ListedDecision) -> dict[str, Any]:
    decision = listed.decision
    return {
        "decision_id": decision.id,
        "decided_at": decision.decided_at,
        "name": decision.workflow,
        "action": decision.action.value,
        "reason": decision.reason,
        "game_date": str(decision.game_date),
        "due_at": decision.due_at,
        "latest": decision.latest,
        "open": decision.open,
        "outcome": decision.outcome,
        "orphan": listed.orphan,
        "execution": _execution_json(listed.execution),
    }


def _execution_json(execution: Execution | None) -> dict[str, Any] | None:
    return None if execution is None else {"run_id": execution.run_id or None, "status": execution.status}


def decided_json(one: Decided) -> dict[str, Any]:
    """Return a decision on a workflow for programs."""
    return {
        "decision_id": one.id,
        "name": one.workflow,
        "action": one.action.value,
        "reason": one.reason,
        "game_date": None if one.game_date is None else str(one.game_date),
        "due_at": one.due_at,
        "recorded": one.recorded,
        "taken_up": one.taken_up,
        "execution": _execution_json(one.execution),
        "error": None if one.error is None else one.error.message,
    }


_ORDER: Final = ("RUN", "ABORT", "WAIT", "SKIP")


def _ordered(decided: Sequence[Decided]) -> list[Decided]:
    return sorted(decided, key=lambda one: (_ORDER.index(one.action.value), one.due_at is None, one.due_at))


def decision_table(console: Console, decided: Sequence[Decided]) -> None:
    """Write decisions, what is run first; of many that are skipped, those that were due last."""
    ordered = _ordered(decided)
    kept = [one for one in ordered if one.action.value != "SKIP"]
    skipped = ordered[len(kept) :]
    console.table(
        ["workflow", "action", "game date", "reason", "run"],
        [
            (
                one.workflow,
                one.action.value,
                "" if one.game_date is None else str(one.game_date),
                one.reason,
                "" if one.execution is None else f"{one.execution.run_id} {one.execution.status}",
            )
            for one in [*kept, *skipped[-_SHOWN_SKIPPED:]]
        ],
        optional=["run"],
    )
    if (more := len(skipped) - _SHOWN_SKIPPED) > 0:
        console.note(f"{more:,} more are skipped. All decisions: nbactl schedule decisions")


def _row_json(row: TimetableRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "description": row.workflow.description,
        "tasks": [use.task for use in row.workflow.tasks],
        "due": [{"at": due.due_at, "until": due.until, "game_date": str(due.game_date)} for due in row.due],
        "reason": row.reason,
    }


def _times(due: Sequence[Occurrence], day: GameDate) -> str:
    """Return the times of a row; of many the first ones and the last."""
    texts = [_local(occurrence.due_at, day) for occurrence in due]
    if due[0].until is not None:
        return f"{texts[0]} to {_local(due[0].until, day)}"
    if len(texts) <= _SHOWN_TIMES:
        return ", ".join(texts)
    return f"{', '.join(texts[: _SHOWN_TIMES - 1])} ... {texts[-1]} ({len(texts)} times)"


def _local(instant: datetime, day: GameDate) -> str:
    there = instant.astimezone(EASTERN)
    return f"{there:%H:%M}" if there.date() == day.day else f"{there:%H:%M} (+1)"
