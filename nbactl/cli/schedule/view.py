"""The timetable and the outcome of a tick as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.core._support.gamedate import EASTERN
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.cli.schedule.command import Timetable
    from nbactl.cli.show.console import Console
    from nbactl.core._support.gamedate import GameDate
    from nbactl.errors import NbactlError
    from nbactl.rollouts.tick import RolloutStep
    from nbactl.schedule.occurrences import Occurrence, TimetableRow
    from nbactl.schedule.tick import FlushedRows, SweptPhases, TickResult

_SHOWN_TIMES: Final = 4


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


def ticked(done: TickResult[RolloutStep]) -> View:
    """Show what was decided and published, with the exit code of the worst of it."""
    swept = done.swept

    def show(console: Console) -> None:
        if done.decided:
            console.table(
                ["flag", "decision", "stage", "reason"],
                [
                    (one.rollout.key, one.decision.action.value, f"{one.rollout.percent:g} %", one.decision.why)
                    for one in done.decided
                ],
            )
        else:
            console.note("No rollout is in progress.")
        if swept is None:
            console.note("This was a dry run: nothing was changed.")
            return
        for step in () if done.phases is None else done.phases.steps:
            console.note(f"Hand-off of {step.phase}, {step.game_date}: {step.what}")
        if swept.published:
            console.note(f"Published from the outbox: {', '.join(swept.published)}")
        if done.quotas is not None and done.quotas.near:
            console.note(f"Near a limit of BigQuery: {', '.join(done.quotas.near)}. Look: nbactl bq quotas")
        for path, failure in () if done.phases is None else done.phases.failed.items():
            console.note(f"Hand-off not looked into: {path}: {failure.message}")
        for key, failure in swept.failed.items():
            console.note(f"Not published, kept in the outbox: {key}: {failure.message}")
        if done.flushed is not None:
            _show_rows(console, done.flushed)

    data = {
        "decisions": [decision_json(decided) for decided in done.decided],
        "at": done.at,
        "quotas": None if done.quotas is None else {"near": list(done.quotas.near)},
        "outbox": None
        if swept is None
        else {
            "published": list(swept.published),
            "failed": [
                {"key": key, "code": error.code, "message": error.message} for key, error in swept.failed.items()
            ],
        },
        "phases": None if done.phases is None else _phases_json(done.phases),
        "rows": None if done.flushed is None else _rows_json(done.flushed),
    }
    keys = ", ".join(one.rollout.key for one in done.decided)
    published = () if swept is None else swept.published
    parts = [
        *([f"rollouts {keys}"] if keys else []),
        *([f"outbox messages {', '.join(published)}"] if published else []),
    ]
    touched = ", ".join(parts) or None
    error = _aborted(done) or done.error
    unseen = None if done.quotas is None else done.quotas.error
    return View(
        data,
        show,
        items="decisions",
        exit_code=0 if error is None else error.exit_code,
        error=error,
        touched=touched,
        warnings=() if unseen is None else (f"quotas of BigQuery were not looked at: {unseen.message}",),
    )


def _show_rows(console: Console, flushed: FlushedRows) -> None:
    for table, count in flushed.loaded.items():
        console.note(f"Loaded into {table}: {count} row{'s' if count != 1 else ''}")
    if flushed.refused:
        console.note(f"Set aside, because their table does not take them: {flushed.refused} rows")
    if flushed.error is not None:
        console.note(f"Rows are not loaded, and kept: {flushed.error.message}")


def _phases_json(swept: SweptPhases) -> dict[str, Any]:
    return {
        "steps": [{"phase": step.phase, "game_date": str(step.game_date), "what": step.what} for step in swept.steps],
        "failed": [
            {"path": path, "code": error.code, "message": error.message} for path, error in swept.failed.items()
        ],
    }


def _rows_json(flushed: FlushedRows) -> dict[str, Any]:
    error = None if flushed.error is None else flushed.error.message
    return {"loaded": dict(flushed.loaded), "refused": flushed.refused, "error": error}


def decision_json(decided: RolloutStep) -> dict[str, Any]:
    """Return a decision for programs."""
    from nbactl.cli.flags.rollout.view import verdict_word  # noqa: PLC0415 - only a tick needs it

    return {
        "kind": "rollout",
        "name": decided.rollout.key,
        "action": decided.decision.action.value,
        "reason": decided.decision.why,
        "percent": decided.rollout.percent,
        "done": decided.done,
        "guards": [
            {"guard": judged.guard, "verdict": verdict_word(judged), "why": judged.why} for judged in decided.verdicts
        ],
        "error": None if decided.error is None else decided.error.message,
    }


def _aborted(done: TickResult[RolloutStep]) -> NbactlError | None:
    from nbactl.rollouts.model import RolloutAction  # noqa: PLC0415 - only a tick needs it

    aborted = [decided for decided in done.decided if decided.done and decided.decision.action is RolloutAction.ABORT]
    if not aborted:
        return None
    return CheckFailedError(
        f"aborted and rolled back: {', '.join(decided.rollout.key for decided in aborted)}",
        cause=aborted[0].decision.why,
        next_step=f"Look: nbactl flags rollout status {aborted[0].rollout.key}",
    )


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
