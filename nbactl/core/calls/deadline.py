"""Deadlines that travel with the work: nested scopes only shorten, calls are clipped to what remains (invariant 18).

asyncio tasks inherit the deadline of their creator; a thread does when it is started through
`contextvars.copy_context().run`, as `asyncio.to_thread` does.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core._support.durations import format_duration
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.clock import Clock


@dataclass(slots=True, eq=False)
class Deadline:
    """An instant of a monotonic clock. `seconds` is how far away it was when it was set."""

    at: float
    seconds: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        """Return the deadline `seconds` from now."""
        return cls(clock.monotonic() + seconds, seconds, clock)

    def remaining(self) -> float:
        """Return the seconds left, 0.0 when none are."""
        return max(0.0, self.at - self.clock.monotonic())

    def check(self, what: str) -> None:
        """Raise TimedOutError if the deadline has passed; `what` is about to be done."""
        if self.remaining() <= 0.0:
            raise TimedOutError(
                f"no time is left for {what}", cause=f"The deadline of {format_duration(self.seconds)} has passed."
            )


_current: ContextVar[Deadline | None] = ContextVar("nbactl_deadline", default=None)


current_deadline = _current.get
"""Return the deadline in force here, or None."""


def remaining(default: float) -> float:
    """Return `default` seconds, or what is left of the deadline in force if that is less (down to 0.0)."""
    deadline = _current.get()
    return default if deadline is None else min(default, deadline.remaining())


def time_for(what: str, seconds: float) -> float:
    """Return `seconds`, or what is left of the deadline in force if that is less, for the time-out of a call.

    Raises TimedOutError if nothing is left: to many clients a time-out of 0 means something else.
    """
    deadline = _current.get()
    if deadline is None:
        return seconds
    left = deadline.remaining()
    if left <= 0.0:
        deadline.check(what)
    return min(seconds, left)


def tighter(seconds: float, clock: Clock) -> Deadline:
    """Return the deadline `seconds` from now, or the one in force if that ends earlier."""
    outer = _current.get()
    if outer is not None and outer.remaining() < seconds:
        return outer
    return Deadline(clock.monotonic() + seconds, seconds, clock)


put_in_force = _current.set
"""Put a deadline in force here until `put_back` gets the token that this returns."""
put_back = _current.reset


@contextmanager
def beyond_deadline() -> Iterator[None]:
    """Leave the deadline in force out of account: for giving back what is held, which is due because it has passed.

    What is called in the block is bounded by its own limits alone.
    """
    token = put_in_force(None)
    try:
        yield
    finally:
        put_back(token)


@contextmanager
def deadline_scope(seconds: float, clock: Clock) -> Iterator[Deadline]:
    """Put a deadline of `seconds` in force; one that ends earlier stays in force."""
    deadline = tighter(seconds, clock)
    token = put_in_force(deadline)
    try:
        yield deadline
    finally:
        put_back(token)
