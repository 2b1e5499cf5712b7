"""Misspelt names: what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely stands for, or None."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the next step after a misspelt name: the closest one, else all of them."""
    names = list(known)
    match = closest(name, names)
    return f"Did you mean '{match}'?" if match else f"Known: {', '.join(names)}."
