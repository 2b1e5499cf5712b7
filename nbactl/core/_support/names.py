"""Misspelt names: what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 20
"""Names that are listed at most."""
_NEAR = 0.66
"""How alike two names are at least, from 0 to 1, for one to be a misspelling of the other: `rnu` and `run` are."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely means, or None."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), by_folded, n=1, cutoff=_NEAR)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str | None = None) -> str:
    """Return the next step after a misspelt name: the closest one, else `otherwise`, else all that are known."""
    names = list(known)
    match = closest(name, names)
    if match:
        return f"Did you mean '{match}'?"
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return otherwise or f"Known: {', '.join(names[:_MOST])}{more}."


def check_known(option: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value of `option` that is not among the known ones. Raises UsageError with the closest one."""
    from nbactl.errors import UsageError  # noqa: PLC0415 - errors are above this module

    names = list(known)
    if value not in names:
        raise UsageError(f"{option}: unknown value '{value}'", next_step=did_you_mean(value, names))
