"""How the states of runs and tasks look: one glyph, one word, one style, everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown. The word always stands beside the glyph: colour and shape alone say nothing."""

    glyph: str
    word: str
    style: str


INTERRUPTED: Final = "interrupted"
"""Shown for a run that the ledger has as running although nobody works on it any more."""

_LOOKS: Final = {
    look.word.replace(" ", "_"): look
    for look in (
        Look("·", "pending", "dim"),
        Look("▸", "running", "cyan"),
        Look("✓", "succeeded", "green"),
        Look("○", "no data", "green"),
        Look("◐", "partial", "yellow"),
        Look("✗", "failed", "bold red"),
        Look("✗", "timed out", "bold red"),
        Look("-", "skipped", "dim"),
        Look("■", "cancelled", "yellow"),
        Look("■", "interrupted", "bold yellow"),
        Look("·", "missing", "dim"),
        Look("-", "unavailable", "dim"),
    )
}


def look(state: str) -> Look:
    """Return how a run or task state looks."""
    return _LOOKS[state]
