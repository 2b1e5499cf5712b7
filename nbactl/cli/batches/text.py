"""Prediction batches for a person and for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.core.completions.batches import BatchEntry
    from nbactl.core.completions.mode import CompletionMode
    from nbactl.core.completions.progress import Progress
    from nbactl.core.completions.reset import Reset

_FAILED_SHOWN: Final = 20


def batch_json(entry: BatchEntry) -> dict[str, Any]:
    """Return a batch as a program reads it; what cannot be told is null, and `error` says why."""
    progress = entry.progress
    return {
        "batch_id": entry.batch_id,
        "game_date": progress and str(progress.game_date),
        "state": _word(entry),
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


def mode_json(mode: CompletionMode) -> dict[str, Any]:
    """Return where completions go."""
    return {
        "writes": [name for name, on in _places(mode).items() if on],
        "reads": "subcollection" if mode.read_subcollection else "array",
    }


def reset_json(reset: Reset | None) -> dict[str, Any] | None:
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


def show_batches(console: Console, entries: Sequence[BatchEntry], now: datetime) -> None:
    """Show batches, one a line."""
    rows: list[list[Segment | None]] = [
        [
            entry.batch_id,
            str(entry.progress.game_date) if entry.progress else "",
            state_of(console, entry),
            f"{entry.progress.completed}/{entry.progress.expected}" if entry.progress else "",
            str(len(entry.progress.failed)) if entry.progress else "",
            str(entry.progress.predictions) if entry.progress else "",
            f"{_ago(entry, now)} ago",
        ]
        for entry in entries
    ]
    columns = ["batch", "date", "state", "completed", "failed", "predictions", "last change"]
    console.table(columns, rows, optional=["predictions", "failed"])


def show_batch(console: Console, entry: BatchEntry, progress: Progress, mode: CompletionMode, now: datetime) -> None:
    """Show all there is about a batch."""
    places = [name for name, on in _places(mode).items() if on]
    facts: dict[str, Segment | None] = {
        "batch": progress.batch_id,
        "game date": str(progress.game_date),
        "state": state_of(console, entry),
        "completed": f"{progress.completed} of {progress.expected} players ({progress.percent:.0f} %)",
        "failed": _named(progress.failed) if progress.failed else None,
        "missing": str(progress.missing) if progress.missing else None,
        "predictions": str(progress.predictions),
        "started": moment(progress.start_time) if progress.start_time else None,
        "finished": moment(progress.completion_time) if progress.completion_time else None,
        "last change": f"{moment(entry.last_change)} ({_ago(entry, now)} ago)",
        "correlation": progress.correlation_id,
        "recorded in": " and ".join(places) + f", read from the {mode_json(mode)['reads']}",
    }
    for name, value in facts.items():
        if value is not None:
            console.print(Styled(f"{name:<13}", "dim"), value)


def missing_told(progress: Progress) -> str:
    """Return who is not there yet: `2 of 10 players are missing, 1 has failed`."""
    parts = []
    if progress.missing:
        parts.append(f"{progress.missing} of {progress.expected} players {_is(progress.missing)} missing")
    if failed := len(progress.failed):
        parts.append(f"{failed} {'has' if failed == 1 else 'have'} failed")
    return ", ".join(parts) or "nobody is missing"


def state_of(console: Console, entry: BatchEntry) -> Styled:
    """Return a batch's state as it stands in a table: glyph and word."""
    word = _word(entry)
    glyph, ascii_glyph, style = {
        "complete": ("✓", "+", "green"),
        "open": ("▸", ">", "cyan"),
        "unreadable": ("✗", "x", "bold red"),
    }[word]
    return Styled(f"{console.out.glyph(glyph, ascii_glyph)} {word}", style)


def _word(entry: BatchEntry) -> str:
    if entry.progress is None:
        return "unreadable"
    return "complete" if entry.progress.is_complete else "open"


def _places(mode: CompletionMode) -> dict[str, bool]:
    return {"array": mode.write_array, "subcollection": mode.write_subcollection}


def _named(players: Sequence[str]) -> str:
    shown = ", ".join(players[:_FAILED_SHOWN])
    more = len(players) - _FAILED_SHOWN
    return f"{len(players)}: {shown}" + (f" and {more} more" if more > 0 else "")


def _ago(entry: BatchEntry, now: datetime) -> str:
    return format_duration(max(0.0, (now - entry.last_change).total_seconds()))


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
