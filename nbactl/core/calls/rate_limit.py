"""Rate limits: token buckets for throttles and retry budgets, and the ramp of bulk writes.

"Ramping up traffic", Best practices of Cloud Firestore: begin with 500 operations a second and increase by 50 % every
5 minutes, so that the service can spread the documents.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`count` at once, and as many again evenly over each `per` seconds."""

    count: int
    per: float


class TokenBucket:
    """Hands out the tokens of an allowance; it is full at the start."""

    def __init__(self, allowance: RateLimit, clock: Clock) -> None:
        self._size = float(allowance.count)
        self._per_second = allowance.count / allowance.per
        self._clock = clock
        self._lock = threading.Lock()
        self._level = self._size
        self._seen = clock.monotonic()

    def take(self, *, within: float = 0.0) -> float | None:
        """Take a token and return the seconds until it may be used, or None and take none if these exceed `within`.

        Callers that wait stand in line: each gets a later time than the one before.
        """
        with self._lock:
            self._fill()
            wait = max(0.0, (1.0 - self._level) / self._per_second)
            if wait > within:
                return None
            self._level -= 1.0
            return wait

    def level(self) -> float:
        """Return how many tokens may be used at once at the moment, 0 while callers stand in line."""
        with self._lock:
            self._fill()
            return max(0.0, self._level)

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._level = min(self._size, self._level + max(0.0, now - self._seen) * self._per_second)
        self._seen = max(now, self._seen)


_FIRST: Final = 500.0
_GROWTH: Final = 1.5
_STEP_SECONDS: Final = 300.0


class Throttle:
    """Hands out operations at a rate; with `rate` (operations a second) a fixed one, without the ramp."""

    def __init__(self, clock: Clock, *, rate: float | None = None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError(f"a rate is above zero, not {rate}")
        self._clock = clock
        self._fixed = rate
        self._lock = threading.Lock()
        self._began: float | None = None
        self._free_at = 0.0

    @property
    def rate(self) -> float:
        """Operations a second at the moment."""
        if self._fixed is not None:
            return self._fixed
        if self._began is None:
            return _FIRST
        steps = int((self._clock.monotonic() - self._began) / _STEP_SECONDS)
        return float(_FIRST * _GROWTH**steps)

    @property
    def largest(self) -> int:
        """The most operations to take at once, so that they do not come in bursts of more than a second's worth."""
        return max(1, int(self.rate))

    def take(self, operations: int) -> None:
        """Wait until that many operations may be sent."""
        with self._lock:
            now = self._clock.monotonic()
            if self._began is None:
                self._began = now
            begin = max(now, self._free_at)
            self._free_at = begin + operations / self.rate
        if begin > now:
            self._clock.sleep(begin - now)
