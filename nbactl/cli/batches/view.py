"""Prediction batches as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.batches.command import missing_players
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.cli.batches.command import BatchChange, BatchDetails, BatchList
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.core.completions.batches import BatchEntry
    from nbactl.core.completions.reset import Reset
    from nbactl.core.completions.stages import CompletionMode

_FAILED_SHOWN: Final = 20

_NAMED: Final = 5
"""How many batches that cannot be listed are named."""


def batch_list(found: BatchList) -> View:
    """Show batches; it fails if one cannot be read, or one has stalled."""
    request = found.request

    def show(console: Console) -> None:
        if found.batches:
            _table(console, found)
        elif request.stalled is not None:
            console.note(f"Every incomplete batch recorded something within {format_duration(request.stalled)}.")
        else:
            console.note("No batch matches." if request.date or request.incomplete else "There is no batch yet.")
        if request.stalled is not None:
            for entry in found.batches:
                if entry.progress is not None:
                    console.note(f"{entry.batch_id}: {missing_players(entry.progress)}.")
        shown = len(found.batches)
        if found.total > shown:
            console.note(f"Showing {shown:,} of {found.total:,}; --limit shows more.")

    named = ", ".join(entry.batch_id for entry in found.unlisted[:_NAMED])
    more = ", …" if len(found.unlisted) > _NAMED else ""
    lacking = " or ".join(request.fields)
    warning = f"{len(found.unlisted)} without {lacking}, or damaged, cannot be listed: {named}{more}"
    error = _stalled(found) if request.stalled is not None else next((e.error for e in found.batches if e.error), None)
    return View(
        {"batches": [_batch(entry) for entry in found.batches], "unlisted": len(found.unlisted)},
        show,
        items="batches",
        exit_code=1 if error else 0,
        error=error,
        warnings=(warning,) if found.unlisted else (),
    )


def batch_details(details: BatchDetails) -> View:
    """Show all there is about a batch."""
    entry, progress, mode, reset = details.entry, details.progress, details.mode, details.reset
    facts: dict[str, Any] = {
        "batch": progress.batch_id,
        "game date": str(progress.game_date),
        "state": None,
        "completed": f"{progress.completed} of {progress.expected} players ({progress.percent:.0f} %)",
        "failed": _named(progress.failed) if progress.failed else None,
        "missing": str(progress.missing) if progress.missing else None,
        "predictions": str(progress.predictions),
        "started": moment(progress.start_time) if progress.start_time else None,
        "finished": moment(progress.completion_time) if progress.completion_time else None,
        "last change": f"{moment(entry.last_change)} ({_ago(entry, details.now)} ago)",
        "correlation": progress.correlation_id,
        "recorded in": " and ".join(_writes(mode)) + f", read from the {_mode(mode)['reads']}",
    }

    def show(console: Console) -> None:
        for name, value in {**facts, "state": _styled_state(console, entry)}.items():
            if value is not None:
                console.print(Styled(f"{name:<13}", "dim"), value)
        if reset is not None:
            console.note(f"{reset.by} removed {reset.players} players at {moment(reset.at)}.")
            console.note(f"To restore them: nbactl batches reset {entry.batch_id} --undo")

    return View({"batch": _batch(entry), "mode": _mode(mode), "reset": _reset(reset)}, show)


def batch_change(change: BatchChange) -> View:
    """Show what a command did to a batch."""
    data = {"batch": _batch(change.entry), "changed": change.changed, "reset": _reset(change.reset)}
    name = change.entry.batch_id
    return View(
        data,
        lambda console: console.note(change.message),
        touched=f"batch {name}",
        undo=(("batches", "reset", name, "--undo"),) if change.undoable else (),
    )


def _table(console: Console, found: BatchList) -> None:
    rows: list[list[Segment | None]] = [
        [
            entry.batch_id,
            str(entry.progress.game_date) if entry.progress else "",
            _styled_state(console, entry),
            f"{entry.progress.completed}/{entry.progress.expected}" if entry.progress else "",
            str(len(entry.progress.failed)) if entry.progress else "",
            str(entry.progress.predictions) if entry.progress else "",
            f"{_ago(entry, found.now)} ago",
        ]
        for entry in found.batches
    ]
    columns = ["batch", "date", "state", "completed", "failed", "predictions", "last change"]
    console.table(columns, rows, optional=["predictions", "failed"])


def _stalled(found: BatchList) -> NbactlError | None:
    if not found.batches:
        return None
    return NbactlError(
        f"{len(found.batches)} {'batches have' if len(found.batches) > 1 else 'batch has'} stalled",
        next_step="To continue without the missing players: nbactl batches complete BATCH",
    )


def _batch(entry: BatchEntry) -> dict[str, Any]:
    """Return a batch; what is unknown is null, and `error` says why."""
    progress = entry.progress
    return {
        "batch_id": entry.batch_id,
        "game_date": progress and str(progress.game_date),
        "state": _state(entry),
        "expected": progress and progress.expected,
        "completed": progress and progress.completed,
        "failed": progress and list(progress.failed),
        "missing": progress and progress.missing,
        "percent": progress and round(progress.percent, 1),
        "predictions": progress and progress.predictions,
        "is_complete": progress and progress.is_complete,
        "start_time": progress and progress.start_time,
        "completion_time": progress and progress.completion_time,
        "last_change": entry.last_change,
        "correlation_id": progress and progress.correlation_id,
        "error": str(entry.error) if entry.error else None,
    }


def _mode(mode: CompletionMode) -> dict[str, Any]:
    return {"writes": _writes(mode), "reads": "subcollection" if mode.read_subcollection else "array"}


def _writes(mode: CompletionMode) -> list[str]:
    places = {"array": mode.write_array, "subcollection": mode.write_subcollection}
    return [name for name, written in places.items() if written]


def _reset(reset: Reset | None) -> dict[str, Any] | None:
    """Return a reset that can be undone."""
    if reset is None:
        return None
    return {
        "reset_id": reset.reset_id,
        "state": reset.state,
        "by": reset.by,
        "at": reset.at,
        "players": reset.players,
    }


def _styled_state(console: Console, entry: BatchEntry) -> Styled:
    state = _state(entry)
    glyph, ascii_glyph, style = {
        "complete": ("✓", "+", "green"),
        "open": ("▸", ">", "cyan"),
        "unreadable": ("✗", "x", "bold red"),
    }[state]
    return Styled(f"{console.out.glyph(glyph, ascii_glyph)} {state}", style)


def _state(entry: BatchEntry) -> str:
    if entry.progress is None:
        return "unreadable"
    return "complete" if entry.progress.is_complete else "open"


def _named(players: Sequence[str]) -> str:
    shown = ", ".join(players[:_FAILED_SHOWN])
    more = len(players) - _FAILED_SHOWN
    return f"{len(players)}: {shown}" + (f" and {more} more" if more > 0 else "")


def _ago(entry: BatchEntry, now: datetime) -> str:
    return format_duration(max(0.0, (now - entry.last_change).total_seconds()))
