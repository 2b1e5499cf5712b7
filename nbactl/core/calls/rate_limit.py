"""Rate limits by token bucket: for throttles, retry budgets and bulk writes.

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
    """`count` at once, and as many again evenly over each `per` seconds.

    `growth` is the factor by which both rate and burst grow every five minutes after the first one was taken.
    """

    count: int
    per: float
    growth: float = 1.0

    @classmethod
    def per_second(cls, rate: float) -> RateLimit:
        """Return the limit of `rate` a second, in bursts of at most a second's worth."""
        if rate <= 0:
            raise ValueError(f"a rate must be above zero, not {rate}")
        burst = max(1, int(rate))
        return cls(burst, burst / rate)


FIRESTORE_RAMP: Final = RateLimit(500, 1.0, growth=1.5)
_STEP_SECONDS: Final = 300.0


class RateLimiter:
    """Hands out the tokens of a limit; its bucket is full at the start. Threads may share it."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._began: float | None = None
        self._level = float(limit.count)
        self._filled_at = clock.monotonic()

    @property
    def burst(self) -> int:
        """The most tokens to take at once."""
        return int(self._limit.count * self._grown())

    @property
    def rate(self) -> float:
        """Tokens a second at the moment."""
        return self._limit.count * self._grown() / self._limit.per

    def take(self, count: int = 1, *, within: float = 0.0) -> float | None:
        """Take tokens and return the seconds until they may be used, or None and take none if these exceed `within`.

        Callers that wait form a queue: each gets a later time than the one before.
        """
        with self._lock:
            self._fill()
            wait = max(0.0, (count - self._level) / self.rate)
            if wait > within:
                return None
            if self._began is None:
                self._began = self._filled_at
            self._level -= count
            return wait

    def level(self) -> float:
        """Return how many tokens may be used at once at the moment, 0 while callers wait."""
        with self._lock:
            self._fill()
            return max(0.0, self._level)

    def _grown(self) -> float:
        if self._began is None:
            return 1.0
        return float(self._limit.growth ** int((self._clock.monotonic() - self._began) / _STEP_SECONDS))

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._level = min(self.burst, self._level + max(0.0, now - self._filled_at) * self.rate)
        self._filled_at = max(now, self._filled_at)
