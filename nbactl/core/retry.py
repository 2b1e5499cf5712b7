"""Retry policy: capped exponential backoff with full jitter, for transient errors only (INVARIANTS 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which pauses a call is tried again. Times are seconds; `attempts` counts the first try.

    Full jitter: the pause before try n+1 is uniform in [0, min(cap, base * factor ** (n - 1))]
    (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """

    name: str = "none"
    attempts: int = 1
    base: float = 1.0
    factor: float = 2.0
    cap: float = 60.0
    jitter: bool = True

    def delay(self, attempt: int, rng: Random, *, retry_after: float | None = None) -> float:
        """Return the seconds to wait after failed try `attempt` (from 1); `retry_after` is a floor."""
        ceiling = min(self.cap, self.base * self.factor ** (attempt - 1))
        pause = rng.uniform(0.0, ceiling) if self.jitter else ceiling
        return pause if retry_after is None else max(pause, retry_after)

    def allows(self, attempt: int, error: BaseException) -> bool:
        """Say whether try `attempt` (from 1) that ended with `error` may be followed by another."""
        return attempt < self.attempts and is_transient(error)


def is_transient(error: BaseException) -> bool:
    """Say whether the same call may succeed later: our own errors know, of Python's only network and time-outs may."""
    if isinstance(error, NbactlError):
        return error.retryable
    return isinstance(error, (TimeoutError, ConnectionError))


NO_RETRY = RetryPolicy()
