"""Retries: capped exponential backoff with full jitter, for transient errors only, on a budget (invariant 16)."""

from __future__ import annotations

import errno
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from nbactl.core._support.durations import format_duration
from nbactl.core.calls.deadline import Deadline, current_deadline
from nbactl.core.observe.events import Event, noop_hook
from nbactl.errors import BreakerOpenError, NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.rate_limit import RateLimiter
    from nbactl.core.observe.events import Hook

_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT}
)
_LAZY: Final = (("socket", ("gaierror", "herror")), ("http.client", ("IncompleteRead", "BadStatusLine")))
"""Names that were not found, and answers that broke off. Who raised one has loaded its module."""


def is_network_failure(error: BaseException) -> bool:
    """Say whether `error` is a time-out, a connection that failed or broke off, or a name that was not found."""
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return True
    return any(
        isinstance(error, getattr(module, name))
        for loaded, names in _LAZY
        if (module := sys.modules.get(loaded)) is not None
        for name in names
    )


_MOST_DIGITS: Final = 9


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the seconds that the header asks to wait, from a number or a date; None for nothing or nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MOST_DIGITS])
    try:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few servers answer with a date

        when = parsedate_to_datetime(text)
        if when.tzinfo is None:  # "-0000": the date is in UTC, but says nothing about the sender's zone
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - now).total_seconds())
    except (ValueError, OverflowError):  # an hour, a year or a zone that no date has
        return None


T = TypeVar("T")


@frozen
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
        try:
            ceiling = min(self.cap, self.base * self.factor ** (attempt - 1))
        except OverflowError:
            ceiling = self.cap
        pause = rng.uniform(0.0, ceiling) if self.jitter else ceiling
        return pause if retry_after is None else max(pause, retry_after)

    def allows(self, attempt: int, error: BaseException) -> bool:
        """Say whether try `attempt` (from 1) that ended with `error` may be followed by another.

        A breaker's refusal is not: the breaker knows best when to try again.
        """
        return attempt < self.attempts and is_transient(error) and not isinstance(error, BreakerOpenError)


def is_transient(error: BaseException) -> bool:
    """Say whether the same call may succeed later: our own errors know, of Python's only network and time-outs may."""
    if isinstance(error, NbactlError):
        return error.retryable
    return is_network_failure(error)


NO_RETRY = RetryPolicy()


def retry_call(
    policy: RetryPolicy,
    fn: Callable[[], T],
    *,
    clock: Clock,
    rng: Random,
    deadline: Deadline | None = None,
    budget: RateLimiter | None = None,
    hook: Hook = noop_hook,
) -> T:
    """Call `fn` until it succeeds, at most as often and as long as `policy`, the deadline and the budget allow.

    Raises the last error, with what became of every try in its notes. Only transient errors are followed by another
    try, for which a token of `budget` is taken; an error's `retry_after` (seconds) lengthens the pause; a pause that
    the deadline would cut is not begun. Without `deadline` the one in force counts.
    """
    tries = RetryState(policy, clock, rng, deadline=deadline or current_deadline(), budget=budget, hook=hook)
    while True:
        began = clock.monotonic()
        try:
            return fn()
        except Exception as error:
            pause = tries.pause_after(error, began)
            if pause is None:
                raise
        clock.sleep(pause)


async def retry_call_async(
    policy: RetryPolicy,
    fn: Callable[[], Awaitable[T]],
    *,
    clock: Clock,
    rng: Random,
    deadline: Deadline | None = None,
    budget: RateLimiter | None = None,
    hook: Hook = noop_hook,
) -> T:
    """Await `fn()` until it succeeds, as `retry_call` does."""
    tries = RetryState(policy, clock, rng, deadline=deadline or current_deadline(), budget=budget, hook=hook)
    while True:
        began = clock.monotonic()
        try:
            return await fn()
        except Exception as error:
            pause = tries.pause_after(error, began)
            if pause is None:
                raise
        await clock.sleep_async(pause)


class RetryState:
    """The tries of one call that failed so far."""

    def __init__(
        self,
        policy: RetryPolicy,
        clock: Clock,
        rng: Random,
        *,
        deadline: Deadline | None,
        budget: RateLimiter | None,
        hook: Hook,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._rng = rng
        self._deadline = deadline
        self._budget = budget
        self._hook = hook
        self._history: list[str] = []
        self._forbidden_by = "attempts"

    def pause_after(self, error: Exception, began: float) -> float | None:
        """Return the seconds until the next try, or None if `error` is the last one (it then carries the notes).

        The try that ended with it began at `began` (monotonic seconds).
        """
        attempt = len(self._history) + 1
        took = format_duration(self._clock.monotonic() - began)
        self._history.append(
            f"attempt {attempt} of {self._policy.attempts} failed after {took}: {type(error).__name__}: {error}"
        )
        pause = self._pause(attempt, error)
        if pause is not None:
            self._emit("retry.again", attempt, error, pause=pause)
            return pause
        if is_transient(error):
            self._emit("retry.gave_up", attempt, error, reason=self._forbidden_by)
        if len(self._history) > 1:
            for line in self._history:
                error.add_note(line)
        return None

    def _pause(self, attempt: int, error: Exception) -> float | None:
        if not self._policy.allows(attempt, error):
            self._forbidden_by = "breaker" if isinstance(error, BreakerOpenError) else "attempts"
            return None
        pause = self._policy.delay(attempt, self._rng, retry_after=getattr(error, "retry_after", None))
        if self._deadline is not None and pause >= self._deadline.remaining():
            self._history.append(f"not tried again: the deadline comes before the next try, due in {pause:.1f}s")
            self._forbidden_by = "deadline"
            return None
        if self._budget is not None and self._budget.take() is None:
            self._history.append(f"not tried again: too many calls of {self._policy.name} were tried again lately")
            self._forbidden_by = "budget"
            return None
        return pause

    def _emit(self, kind: str, attempt: int, error: Exception, **more: float | str) -> None:
        self._hook(Event(kind, self._policy.name, {"attempt": attempt, "error": type(error).__name__, **more}))
