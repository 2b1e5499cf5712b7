"""Misspelt names: what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely means, or None."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str | None = None) -> str:
    """Return the next step after a misspelt name: the closest one, else `otherwise`, else all that are known."""
    names = list(known)
    match = closest(name, names)
    if match:
        return f"Did you mean '{match}'?"
    return otherwise or f"Known: {', '.join(names)}."
