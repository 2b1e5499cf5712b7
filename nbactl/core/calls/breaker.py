"""Circuit breaker: stop calling what is broken, and find out by a few probes when it works again.

Michael Nygard, "Release It!", 2007. State belongs to this process; shared_breakers.py shares it.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, ParamSpec, TypeVar

from nbactl.core._support.durations import format_duration
from nbactl.core.calls.retry import is_network_failure
from nbactl.core.observe.events import Event, noop_hook
from nbactl.errors import BreakerOpenError, ContentionError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook

_SLOTS: Final = 10
"""Parts of a time window; it moves on by one part at a time."""


class RollingWindow:
    """Counts of the calls of the last `seconds`, in ten parts; they are as of the last `add`.

    What is counted reaches back at least nine tenths of `seconds`.
    """

    __slots__ = ("_current", "_number", "_per_second", "_slots", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._per_second = _SLOTS / seconds
        self._slots = [[0, 0, 0] for _ in range(_SLOTS)]
        self._number = 0
        self._current = self._slots[0]
        self.calls = self.failures = self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a call that ended at `now` (monotonic seconds)."""
        number = int(now * self._per_second)
        if number != self._number:
            self._move_to(number)
        current = self._current
        current[0] += 1
        self.calls += 1
        if failed:
            current[1] += 1
            self.failures += 1
        if slow:
            current[2] += 1
            self.slow += 1

    def _move_to(self, number: int) -> None:
        if number < self._number:
            return  # threads read the clock one after the other, and get here in another order
        for gone in range(self._number + 1, min(number, self._number + _SLOTS) + 1):
            slot = self._slots[gone % _SLOTS]
            self.calls -= slot[0]
            self.failures -= slot[1]
            self.slow -= slot[2]
            slot[:] = (0, 0, 0)
        self._number = number
        self._current = self._slots[number % _SLOTS]


P = ParamSpec("P")
T = TypeVar("T")
State = Literal["closed", "open", "half_open"]
_NOT_CLOSED: Final = 0


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens and how it closes again. Times are seconds, rates are shares of the calls.

    Calls are counted over the last `window` seconds. A call that takes `slow_call` or longer is slow; without it no
    call is.
    """

    name: str
    failure_rate: float
    minimum_calls: int
    open_for: float
    window: float
    probes: int = 1
    slow_call: float | None = None
    slow_call_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """A breaker at one moment.

    `changed_at` is when it came to this state, `wait` the seconds until an open one is tried again (infinite if it was
    opened by hand, 0 if it is closed).
    """

    name: str
    state: State
    calls: int
    failures: int
    slow: int
    changed_at: datetime
    wait: float = 0.0


def is_outage(error: BaseException) -> bool:
    """Say whether `error` means that the dependency is down: no answer in time, or none at all.

    A refusal is an answer, and contention is caused by other callers.
    """
    if isinstance(error, UnavailableError):
        return not isinstance(error, (ContentionError, BreakerOpenError))
    return is_network_failure(error)


class Breaker:
    """A circuit breaker, for threads and coroutines alike. Its lock is held for counting, never during a call.

    While half open it lets `probes` calls through, whatever the concurrency: all must succeed to close it, one that
    fails or is slow opens it again. Probes that do not end within `open_for` are written off and others let through.
    """

    def __init__(self, settings: BreakerSettings, clock: Clock, hook: Hook = noop_hook) -> None:
        self.settings = settings
        self.name = settings.name
        self._clock = clock
        self._monotonic = clock.monotonic
        self._hook = hook
        self._slow_call = math.inf if settings.slow_call is None else settings.slow_call
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._changed_at = clock.now()
        self._window = RollingWindow(settings.window)
        self._generation = 1
        self._closed_ticket = 1  # what a call gets without any lock; _NOT_CLOSED sends it to `_admit`
        self._until = 0.0
        self._places = self._good = 0

    @property
    def state(self) -> State:
        """The state; `open` until a call finds that its time is over."""
        return self._state

    def status(self) -> BreakerStatus:
        """Return the state with its counts."""
        with self._lock:
            window = self._window
            counts = window.calls, window.failures, window.slow
            wait = 0.0 if self._closed_ticket else max(0.0, self._until - self._monotonic())
            return BreakerStatus(self.name, self._state, *counts, self._changed_at, wait)

    def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn`. Raises BreakerOpenError instead while the breaker is open."""
        ticket = self._closed_ticket or self._admit()
        began = self._monotonic()
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            self.ended(ticket, began, error)
            raise
        self.ended(ticket, began)
        return result

    async def call_async(self, fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `fn(…)`, as `call` does. A call that is cancelled says nothing about the dependency."""
        ticket = self._closed_ticket or self._admit()
        began = self._monotonic()
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            self.ended(ticket, began, error)
            raise
        self.ended(ticket, began)
        return result

    def admit(self) -> int:
        """Let a call through and return its ticket, which `ended` or `abandon` wants back. Raises BreakerOpenError."""
        return self._closed_ticket or self._admit()

    def ended(self, ticket: int, began: float, error: BaseException | None = None) -> None:
        """Count a call that began at `began` (monotonic seconds) and ended now, with `error` or an answer."""
        if error is not None and not isinstance(error, Exception):
            self.abandon(ticket)
            return
        now = self._monotonic()
        failed = error is not None and is_outage(error)
        slow = now - began >= self._slow_call
        event: Event | None
        with self._lock:
            if ticket != self._generation:
                return  # it began before the state changed and does not count
            if self._closed_ticket:
                window = self._window
                window.add(now, failed=failed, slow=slow)
                if not (window.failures or window.slow) or not self._is_too_much(window):
                    return
                event = self._open(now, "too many calls failed" if failed else "too many calls were slow or failed")
            else:
                event = self._judge_probe(now, good=not failed and not slow)
        if event is not None:
            self._hook(event)

    def abandon(self, ticket: int) -> None:
        """Take back a call that says nothing about the dependency; another probe gets its place."""
        with self._lock:
            if ticket == self._generation and self._state == "half_open":
                self._places += 1

    def open(self, reason: str, *, seconds: float = math.inf) -> None:
        """Open it by hand for `seconds`, by default until `reset`."""
        with self._lock:
            event = self._open(self._monotonic(), reason, seconds)
        self._hook(event)

    def reset(self) -> None:
        """Close it by hand and forget what was counted."""
        with self._lock:
            event = self._close("reset by hand")
        self._hook(event)

    def _admit(self) -> int:
        event = None
        with self._lock:
            if self._closed_ticket:
                return self._closed_ticket
            now = self._monotonic()
            if now >= self._until and (self._state == "open" or not self._places):
                event = self._half_open(now)
            ticket = self._generation if self._state == "half_open" and self._places else _NOT_CLOSED
            self._places -= bool(ticket)
            wait = max(0.0, self._until - now)
        if event is not None:
            self._hook(event)
        if ticket:
            return ticket
        self._hook(Event("breaker.refused", self.name))
        raise BreakerOpenError(
            f"calls to {self.name} are stopped: its breaker is {self._state.replace('_', ' ')}",
            cause="Too many of the last calls failed or were slow, or it was opened by hand.",
            next_step=None if math.isinf(wait) else f"It is tried again in {format_duration(wait)}.",
            details={"breaker": self.name, "state": self._state},
            retry_after=None if math.isinf(wait) else wait,
        )

    def _is_too_much(self, window: RollingWindow) -> bool:
        settings, calls = self.settings, window.calls
        return calls >= settings.minimum_calls and (
            window.failures / calls >= settings.failure_rate
            or (settings.slow_call is not None and window.slow / calls >= settings.slow_call_rate)
        )

    def _judge_probe(self, now: float, *, good: bool) -> Event | None:
        if not good:
            return self._open(now, "a probe failed or was slow")
        self._good += 1
        return self._close("its probes succeeded") if self._good >= self.settings.probes else None

    def _open(self, now: float, reason: str, seconds: float | None = None) -> Event:
        self._until = now + (self.settings.open_for if seconds is None else seconds)
        return self._change("open", reason)

    def _half_open(self, now: float) -> Event:
        self._until = now + self.settings.open_for
        self._places, self._good = self.settings.probes, 0
        return self._change("half_open", "its time was over")

    def _close(self, reason: str) -> Event:
        self._window = RollingWindow(self.settings.window)
        return self._change("closed", reason)

    def _change(self, state: State, reason: str) -> Event:
        before, self._state = self._state, state
        self._changed_at = self._clock.now()
        self._generation += 1
        self._closed_ticket = self._generation if state == "closed" else _NOT_CLOSED
        window = self._window
        counts = {"calls": window.calls, "failures": window.failures, "slow": window.slow}
        return Event(f"breaker.{state}", self.name, {"before": before, "reason": reason, **counts})
