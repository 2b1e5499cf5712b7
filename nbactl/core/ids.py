"""Identifiers: short, sortable by time, unique without coordination."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nbactl.core.clock import Clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_DIGITS = 9
_RANDOM_DIGITS = 7


class IdGenerator(Protocol):
    """What makes new identifiers."""

    def new(self, prefix: str) -> str:
        """Return a fresh id that starts with `prefix` and a hyphen."""
        ...


class TimeSortedIds:
    """Ids of 45 bits of milliseconds and 35 random bits: string order is creation order."""

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng or random.SystemRandom()

    def new(self, prefix: str) -> str:
        """Return a fresh id such as `run-01jd3k9xq2m7t0`."""
        millis = int(self._clock.now().timestamp() * 1000)
        return f"{prefix}-{_encode(millis, _TIME_DIGITS)}{_encode(self._rng.getrandbits(35), _RANDOM_DIGITS)}"


def _encode(number: int, digits: int) -> str:
    out = []
    for _ in range(digits):
        number, rest = divmod(number, 32)
        out.append(_ALPHABET[rest])
    return "".join(reversed(out))
