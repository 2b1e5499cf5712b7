"""Time as a dependency: nothing in the core reads the system clock or sleeps by itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable


class Clock(Protocol):
    """Gives the time, and waits."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Suspend this coroutine for `seconds`."""
        ...

    def call_later(self, loop: AbstractEventLoop, seconds: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Have the running `loop` call `callback` in `seconds`; returns a function that cancels this."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # read several times in each call of a policy

    def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Suspend this coroutine for `seconds`."""
        import asyncio  # noqa: PLC0415 - a clock alone is not a reason to load sixty modules

        await asyncio.sleep(seconds)

    def call_later(self, loop: AbstractEventLoop, seconds: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Have the running `loop` call `callback` in `seconds`; returns a function that cancels this."""
        return loop.call_later(seconds, callback).cancel
