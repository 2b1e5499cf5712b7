"""Identifiers: short, sortable by time, unique without coordination."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_RANDOM_BITS: Final = 35
_SHIFTS: Final = range(70, -1, -10)  # of 80 bits, two digits at a time


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
        number = millis << _RANDOM_BITS | self._rng.getrandbits(_RANDOM_BITS)
        return f"{prefix}-{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"
