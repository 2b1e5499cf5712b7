"""A clock that tests move by hand, and identifiers that are the same in every run of a test."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_START = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)
_TURNS = 20
"""Turns of the event loop in which woken coroutines may run and go to sleep again."""

_Sleeper = tuple[float, int, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class FakeClock:
    """Time that does not pass until it is moved.

    `sleep` moves it by itself, so that code with one thread never waits. `sleep_async` waits until `advance` or
    `advance_async` reaches its end; with `autojump` the earliest sleeper moves the clock as soon as the event loop
    has nothing else to do. `sleeps` lists every pause that was asked for, in seconds.
    """

    def __init__(self, start: datetime = _START, *, autojump: bool = False) -> None:
        self.sleeps: list[float] = []
        self._now = start
        self._elapsed = 0.0
        self._autojump = autojump
        self._watched: asyncio.AbstractEventLoop | None = None
        self._turns_left = _TURNS
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._sleepers: list[_Sleeper] = []

    def now(self) -> datetime:
        """Return the clock's instant, aware UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which the clock was moved."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move the clock by `seconds`."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Wait until the clock was moved by `seconds`."""
        self.sleeps.append(seconds)
        entry = self._schedule(asyncio.get_running_loop(), seconds)
        try:
            await entry[-1]
        finally:
            self._forget(entry)

    def call_later(
        self, loop: asyncio.AbstractEventLoop, seconds: float, callback: Callable[[], object]
    ) -> Callable[[], None]:
        """Have the running `loop` call `callback` when the clock was moved by `seconds`; returns what calls it off."""
        entry = self._schedule(loop, seconds)
        entry[-1].add_done_callback(lambda woken: woken.cancelled() or callback())

        def call_off() -> None:
            self._forget(entry)
            entry[-1].cancel()

        return call_off

    def advance(self, seconds: float) -> None:
        """Move the clock, and wake those whose time has come in the order of their ends."""
        end = self._elapsed + max(0.0, seconds)
        while self._wake_next(end):
            pass
        self._move_to(end)

    async def advance_async(self, seconds: float) -> None:
        """Move the clock from sleeper to sleeper, letting each act at its own time before the next is woken."""
        end = self._elapsed + max(0.0, seconds)
        await _let_others_run()
        while self._wake_next(end):
            await _let_others_run()
        self._move_to(end)

    def set(self, now: datetime) -> None:
        """Set the wall clock, forward or back; `monotonic` and sleepers do not notice."""
        self._now = now

    def jump(self, seconds: float) -> None:
        """Move on by `seconds`; below zero only the wall clock goes back, as when it is corrected."""
        if seconds >= 0:
            self.advance(seconds)
        else:
            self.set(self._now + timedelta(seconds=seconds))

    def _schedule(self, loop: asyncio.AbstractEventLoop, seconds: float) -> _Sleeper:
        entry = (self._elapsed + max(0.0, seconds), next(self._order), loop, loop.create_future())
        with self._lock:
            heapq.heappush(self._sleepers, entry)
        if self._autojump:
            self._watch(loop)
        return entry

    def _forget(self, entry: _Sleeper) -> None:
        with self._lock:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the earliest sleeper once everything else has had its turns of the event loop."""
        self._turns_left = _TURNS
        if self._watched is not loop:
            self._watched = loop
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turns_left -= 1
        if self._turns_left <= 0:
            self._turns_left = _TURNS
            if not self._wake_next(math.inf):
                self._watched = None
                return
        loop.call_soon(self._turn, loop)

    def _wake_next(self, end: float) -> bool:
        with self._lock:
            if not self._sleepers or self._sleepers[0][0] > end:
                return False
            due, _, loop, woken = heapq.heappop(self._sleepers)
        self._move_to(due)
        loop.call_soon_threadsafe(_wake, woken)
        return True

    def _move_to(self, elapsed: float) -> None:
        with self._lock:
            step = max(0.0, elapsed - self._elapsed)
            self._elapsed += step
            self._now += timedelta(seconds=step)


async def _let_others_run() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class SequentialIds:
    """Ids that count: `run-0001`, `run-0002`, `task-0001`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return the next id of `prefix`."""
        with self._lock:
            self._counts[prefix] += 1
            return f"{prefix}-{self._counts[prefix]:04d}"
