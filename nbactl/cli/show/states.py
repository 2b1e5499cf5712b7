"""How the states of runs and tasks look: one glyph, one word, one style, everywhere."""

from __future__ import annotations

from typing import Final, NamedTuple


class StateStyle(NamedTuple):
    """How a state is shown. The word is always beside the glyph: colour and shape alone say nothing."""

    glyph: str
    word: str
    style: str


INTERRUPTED: Final = "interrupted"
"""Shown for a run that the ledger has as running although no process works on it any more."""

_STYLES: Final = {
    style.word.replace(" ", "_"): style
    for style in (
        StateStyle("·", "pending", "dim"),
        StateStyle("▸", "running", "cyan"),
        StateStyle("✓", "succeeded", "green"),
        StateStyle("○", "no data", "green"),
        StateStyle("◐", "partial", "yellow"),
        StateStyle("◐", "stale", "yellow"),
        StateStyle("◐", "incomplete", "yellow"),
        StateStyle("✗", "failed", "bold red"),
        StateStyle("✗", "timed out", "bold red"),
        StateStyle("-", "skipped", "dim"),
        StateStyle("■", "cancelled", "yellow"),
        StateStyle("■", "interrupted", "bold yellow"),
        StateStyle("▸", "detached", "yellow"),
        StateStyle("·", "missing", "dim"),
        StateStyle("·", "unrecorded", "dim"),
        StateStyle("?", "unreadable", "bold red"),
        StateStyle("-", "unavailable", "dim"),
        StateStyle("?", "unknown", "yellow"),
    )
}


def look(state: str) -> StateStyle:
    """Return how a run or task state looks."""
    return _STYLES[state]
