"""Token buckets: at most so many in so long, in a row or one after the other (throttles, retry budgets)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock


@dataclass(frozen=True, slots=True)
class Allowance:
    """`count` at once, and as many again evenly over each `per` seconds."""

    count: int
    per: float


class TokenBucket:
    """Hands out the tokens of an allowance; it is full at the start."""

    def __init__(self, allowance: Allowance, clock: Clock) -> None:
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
