"""A call policy around a block of code: a loop over tries, each a `with` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from nbactl.core.cutoff import CutOff
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from nbactl.core.calls.policy import CallPolicy
    from nbactl.core.calls.retry import Tries


class Attempt:
    """One try. The block swallows an error that will be followed by another try, and lets the last one through."""

    def __init__(self, loop: Attempts) -> None:
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
        return loop.goes_on_after(error, self._opened[1])

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


class Attempts:
    """The tries of one call, as a loop that ends after the first that succeeds."""

    def __init__(self, policy: CallPolicy) -> None:
        self.policy = policy
        self.clock = policy.clock
        self.total = policy.begin()
        self._tries: Tries | None = None
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

    def goes_on_after(self, error: BaseException | None, began: float) -> bool:
        """Say whether another try follows the one that began at `began` and ended with `error`."""
        if isinstance(error, Exception):
            self._tries = self._tries or self.policy.tries(self.total)
            self._pause = self._tries.pause_after(error, began)
        return self._pause is not None
