"""The one way to call a dependency: total deadline → retry → breaker → throttle → attempt timeout, in this order.

A policy is declared once per dependency (`call_policies` in timeouts.yaml) and used as a decorator, as a call or as a
block, by threads and coroutines alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import wraps
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast

from nbactl.core._support.aio import CutOff, is_async
from nbactl.core._support.durations import format_duration
from nbactl.core.calls.breaker import Breaker
from nbactl.core.calls.deadline import Deadline, current_deadline, put_back, put_in_force, tighter
from nbactl.core.calls.rate_limit import RateLimiter
from nbactl.core.calls.retry import RetryState
from nbactl.core.observe.events import noop_hook
from nbactl.errors import TimedOutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextvars import Token
    from random import Random
    from types import TracebackType

    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.breaker import BreakerSettings
    from nbactl.core.calls.rate_limit import RateLimit
    from nbactl.core.calls.retry import RetryPolicy
    from nbactl.core.observe.events import Hook


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How one dependency is called. `total` bounds all tries with their pauses, `attempt` each try, in seconds."""

    name: str
    total: float
    retry: RetryPolicy
    attempt: float | None = None
    breaker: BreakerSettings | None = None
    throttle: RateLimit | None = None
    retry_budget: RateLimit | None = None


class Attempt:
    """One try. The block swallows an error that will be followed by another try, and lets the last one through."""

    def __init__(self, loop: AttemptLoop) -> None:
        self._loop = loop

    def __enter__(self) -> Self:
        loop = self._loop
        ticket = loop.policy.admit()
        try:
            if wait := loop.policy.turn(loop.total):
                loop.clock.sleep(wait)
        except BaseException:
            loop.policy.abandon(ticket)
            raise
        self._opened = loop.policy.enter(loop.total, ticket, loop.clock.monotonic(), in_force=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        loop = self._loop
        loop.policy.leave(self._opened, error)
        return loop.continues_after(error, self._opened[1])

    async def __aenter__(self) -> Self:
        loop = self._loop
        ticket = loop.policy.admit()
        try:
            if wait := loop.policy.turn(loop.total):
                await loop.clock.sleep_async(wait)
        except BaseException:
            loop.policy.abandon(ticket)
            raise
        self._opened = loop.policy.enter(loop.total, ticket, loop.clock.monotonic(), in_force=False)
        _, began, limit, *_ = self._opened
        self._cut_off = CutOff(loop.policy.settings.name, limit, limit.at - began)
        self._cut_off.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            self._cut_off.__exit__(kind, error, trace)
        except TimedOutError as late:
            if self.__exit__(type(late), late, late.__traceback__):
                return True
            raise
        return self.__exit__(kind, error, trace)


class AttemptLoop:
    """The tries of one call, as a loop that ends after the first that succeeds."""

    def __init__(self, policy: CallPolicy) -> None:
        self.policy = policy
        self.clock = policy.clock
        self.total = policy.begin()
        self._tries: RetryState | None = None
        self._pause: float | None = 0.0

    def __iter__(self) -> Iterator[Attempt]:
        return self

    def __next__(self) -> Attempt:
        if self._pause is None:
            raise StopIteration
        if self._pause:
            self.clock.sleep(self._pause)
        self._pause = None
        return Attempt(self)

    def __aiter__(self) -> AsyncIterator[Attempt]:
        return self

    async def __anext__(self) -> Attempt:
        if self._pause is None:
            raise StopAsyncIteration
        if self._pause:
            await self.clock.sleep_async(self._pause)
        self._pause = None
        return Attempt(self)

    def continues_after(self, error: BaseException | None, began: float) -> bool:
        """Say whether another try follows the one that began at `began` and ended with `error`."""
        if isinstance(error, Exception):
            self._tries = self._tries or self.policy.tries(self.total)
            self._pause = self._tries.pause_after(error, began)
        return self._pause is not None


P = ParamSpec("P")
T = TypeVar("T")


_NEARLY_ALL: Final = 0.9
"""A try that got so much of its time is judged by its end, whatever deadline ended it."""

Opened = tuple[int, float, Deadline, bool, "Token[Deadline | None] | None"]
"""A try under way: its ticket from the breaker, its begin (monotonic seconds), its deadline and whether that leaves it
less time than it should have, what it replaced."""


class CallPolicy:
    """Calls one dependency as its settings say; its breaker, throttle and retry budget are shared by all callers.

    Both limits are put in force as deadlines, so that every timeout below is cut to what is left. A coroutine is
    cancelled when its try is over; a thread cannot be, so a synchronous call must use the time that is left
    (`remaining`) for its own timeouts.
    """

    def __init__(
        self,
        settings: CallSettings,
        *,
        clock: Clock,
        rng: Random,
        breaker: Breaker | None = None,
        hook: Hook = noop_hook,
    ) -> None:
        self.settings = settings
        self.breaker = breaker or (None if settings.breaker is None else Breaker(settings.breaker, clock, hook))
        self._retry = replace(settings.retry, name=settings.name)
        self._total = settings.total
        self._attempt = settings.attempt
        full = settings.total if settings.attempt is None else min(settings.attempt, settings.total)
        self._judged = full * _NEARLY_ALL
        self.clock = clock
        self._monotonic = clock.monotonic
        self._rng = rng
        self.hook = hook
        self.retry_budget = None if settings.retry_budget is None else RateLimiter(settings.retry_budget, clock)
        self._throttle = None if settings.throttle is None else RateLimiter(settings.throttle, clock)

    def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn`. Raises its last error, BreakerOpenError, or TimedOutError if no time is left."""
        total = self.begin()
        scope = put_in_force(total)
        tries: RetryState | None = None
        try:
            while True:
                began = self._monotonic()
                try:
                    return self._try(total, began, fn, args, kwargs)
                except Exception as error:
                    tries = tries or self.tries(total)
                    pause = tries.pause_after(error, began)
                    if pause is None:
                        raise
                self.clock.sleep(pause)
        finally:
            put_back(scope)

    async def call_async(self, fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `fn(…)`, as `call` does."""
        total = self.begin()
        scope = put_in_force(total)
        tries: RetryState | None = None
        try:
            while True:
                began = self._monotonic()
                try:
                    return await self._try_async(total, began, fn, args, kwargs)
                except Exception as error:
                    tries = tries or self.tries(total)
                    pause = tries.pause_after(error, began)
                    if pause is None:
                        raise
                await self.clock.sleep_async(pause)
        finally:
            put_back(scope)

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function or coroutine function, so that each call follows the policy."""
        if is_async(fn):

            @wraps(fn)
            async def call_async(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - what `fn` gives
                return await self.call_async(fn, *args, **kwargs)

            return cast("Callable[P, T]", call_async)

        @wraps(fn)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(fn, *args, **kwargs)

        return call

    def attempts(self) -> AttemptLoop:
        """Return the tries of one call for a loop: `for attempt in policy.attempts():` `with attempt:` work.

        Coroutines write `async for` and `async with`.
        """
        return AttemptLoop(self)

    def begin(self) -> Deadline:
        """Return the deadline of a call that begins now. Raises TimedOutError if the one in force has passed."""
        if current_deadline() is None:
            return Deadline(self._monotonic() + self._total, self._total, self.clock)
        total = tighter(self._total, self.clock)
        total.check(f"a call of {self.settings.name}")
        return total

    def tries(self, total: Deadline) -> RetryState:
        """Return the record of one call's tries."""
        return RetryState(self._retry, self.clock, self._rng, deadline=total, budget=self.retry_budget, hook=self.hook)

    def admit(self) -> int:
        """Pass the breaker. Raises BreakerOpenError."""
        return 0 if self.breaker is None else self.breaker.admit()

    def turn(self, total: Deadline) -> float:
        """Return the seconds to wait for the throttle. Raises UnavailableError if the deadline comes before."""
        if self._throttle is None:
            return 0.0
        left = total.remaining()
        wait = self._throttle.take(within=left)
        if wait is None:
            raise UnavailableError(
                f"too many calls of {self.settings.name} wait for their turn",
                cause=f"The throttle has no place for another one before the deadline, in {format_duration(left)}.",
                retry_after=left,
            )
        return wait

    def enter(self, total: Deadline, ticket: int, began: float, *, in_force: bool = True) -> Opened:
        """Begin a try at `began` (monotonic seconds): put its limit in force, else the total one if that is not yet."""
        attempt, left = self._attempt, total.at - began
        if attempt is None or left <= attempt:
            cut_short = left < self._judged
            return ticket, began, total, cut_short, None if in_force else put_in_force(total)
        limit = Deadline(began + attempt, attempt, self.clock)
        return ticket, began, limit, False, put_in_force(limit)

    def leave(self, opened: Opened, error: BaseException | None) -> None:
        """End a try that raised `error`, or answered."""
        ticket, began, limit, cut_short, scope = opened
        if scope is not None:
            put_back(scope)
        breaker = self.breaker
        if breaker is None:
            return
        if error is not None and cut_short and limit.remaining() <= 0.0:
            # It got less time than it may take, so its end says nothing about the dependency.
            breaker.abandon(ticket)
            return
        breaker.ended(ticket, began, error)

    def abandon(self, ticket: int) -> None:
        """Give up a try that was admitted and did not begin."""
        if self.breaker is not None:
            self.breaker.abandon(ticket)

    def _try(
        self, total: Deadline, began: float, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        breaker = self.breaker
        ticket = 0 if breaker is None else breaker.admit()
        if self._throttle is not None:
            try:
                if wait := self.turn(total):
                    self.clock.sleep(wait)
                    began = self._monotonic()
            except BaseException:
                self.abandon(ticket)
                raise
        opened = self.enter(total, ticket, began)
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            self.leave(opened, error)
            raise
        self.leave(opened, None)
        if type(result) is CoroutineType:  # it has not even begun, so that nothing of the policy would hold for it
            result.close()  # type: ignore[attr-defined] # it is one
            raise TypeError(f"a call of {self.settings.name} gave a coroutine: use call_async, or an async function")
        return result

    async def _try_async(
        self,
        total: Deadline,
        began: float,
        fn: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        breaker = self.breaker
        ticket = 0 if breaker is None else breaker.admit()
        if self._throttle is not None:
            try:
                if wait := self.turn(total):
                    await self.clock.sleep_async(wait)
                    began = self._monotonic()
            except BaseException:
                self.abandon(ticket)
                raise
        opened = self.enter(total, ticket, began)
        try:
            with CutOff(self.settings.name, opened[2], opened[2].at - opened[1]):
                result = await fn(*args, **kwargs)
        except BaseException as error:
            self.leave(opened, error)
            raise
        self.leave(opened, None)
        return result
