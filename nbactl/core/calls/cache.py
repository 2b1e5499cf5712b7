"""A cache in memory whose values run out, and whose loads are made once however many wait for them (single-flight)."""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from nbactl.core.calls.deadline import current_deadline
from nbactl.core.calls.retry import is_transient
from nbactl.core.observe.events import Event, noop_hook
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    until: float


class _Flight(Generic[V]):
    """A load under way. `landed` gets what was loaded, its error, or None if whoever loaded was interrupted."""

    __slots__ = ("landed", "task", "thread")

    def __init__(self) -> None:
        self.landed: futures.Future[_Entry[V] | None] = futures.Future()
        self.landed.set_running_or_notify_cancel()  # so that a waiter who is cancelled does not cancel it for all
        self.thread = threading.get_ident()
        self.task: object = None
        """The coroutine's task, if one loads."""


class TtlCache(Generic[K, V]):
    """Keeps up to `max_size` values for `ttl` seconds each; the one that was not asked for for longest goes first.

    For threads and for coroutines of any event loop. `name` is what events and metrics call the cache. With `jitter`,
    a share of the time to live, each value lives up to that much shorter, so that what was loaded together does not
    run out together; it needs `rng`. With `stale_for` a value that ran out less than so many seconds ago is served
    when its load fails with a transient error.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        ttl: float,
        max_size: int,
        jitter: float = 0.0,
        rng: Random | None = None,
        stale_for: float = 0.0,
        hook: Hook = noop_hook,
    ) -> None:
        if max_size < 1 or not 0.0 <= jitter <= 1.0 or (jitter > 0.0 and rng is None):
            raise ValueError("a cache holds at least one value, and its jitter is a share of 1 that needs an rng")
        self.name = name
        self._clock = clock
        self._ttl = ttl
        self._max_size = max_size
        self._jitter = jitter
        self._rng = rng
        self._stale_for = stale_for
        self._hook = hook
        self._lock = threading.Lock()
        self._entries: dict[K, _Entry[V]] = {}
        self._flights: dict[K, _Flight[V]] = {}

    def __len__(self) -> int:
        """Return how many values are kept, those included that have run out."""
        return len(self._entries)

    def get(self, key: K, load: Callable[[], V], *, ttl: float | None = None) -> V:
        """Return the value of `key`; `load` it if there is none, or wait for who is loading it already.

        A load that fails is not kept: all who waited get its error, and the next `get` loads again. `ttl` is for a
        value that is loaded now. Waiting ends with the deadline in force (TimedOutError). RuntimeError where waiting
        would never end: `load` asks for its own key, or a coroutine of this very thread is loading it.
        """
        while True:
            found, leads = self._look(key)
            if isinstance(found, _Entry):
                return found.value
            if leads:
                try:
                    value = load()
                except BaseException as error:
                    stale = self._failed(key, found, error)
                    if stale is None:
                        raise
                    return stale.value
                return self._loaded(key, found, value, ttl)
            if found.thread == threading.get_ident():
                raise RuntimeError(f"{key!r} of the cache {self.name} is asked for by the thread that loads it")
            futures.wait((found.landed,), _time_left())
            if (entry := self._landed(key, found)) is not None:
                return entry.value

    async def get_async(self, key: K, load: Callable[[], Awaitable[V]], *, ttl: float | None = None) -> V:
        """Return the value of `key` as `get` does, awaiting `load()`.

        When the coroutine that loads is cancelled, one of those that wait loads instead.
        """
        import asyncio  # noqa: PLC0415 - a cache for threads is no reason to load sixty modules

        while True:
            found, leads = self._look(key)
            if isinstance(found, _Entry):
                return found.value
            if leads:
                found.task = asyncio.current_task()
                try:
                    value = await load()
                except BaseException as error:
                    stale = self._failed(key, found, error)
                    if stale is None:
                        raise
                    return stale.value
                return self._loaded(key, found, value, ttl)
            if found.task is not None and found.task is asyncio.current_task():
                raise RuntimeError(f"{key!r} of the cache {self.name} is asked for by the coroutine that loads it")
            waiting = asyncio.wrap_future(found.landed)
            try:
                await asyncio.wait((waiting,), timeout=_time_left())
            finally:
                if not waiting.cancel():
                    waiting.exception()  # raised below if there is one; asyncio complains of what nobody looked at
            if (entry := self._landed(key, found)) is not None:
                return entry.value

    def put(self, key: K, value: V, *, ttl: float | None = None) -> None:
        """Keep a value. A load of the same key that is under way will not replace it."""
        with self._lock:
            self._flights.pop(key, None)
            self._keep(key, value, ttl)

    def forget(self, key: K) -> None:
        """Drop a value. A load of it that is under way is not kept: it may have read what has changed since."""
        with self._lock:
            self._flights.pop(key, None)
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop all values, as `forget` does."""
        with self._lock:
            self._flights.clear()
            self._entries.clear()

    def _look(self, key: K) -> tuple[_Entry[V] | _Flight[V], bool]:
        """Return the value; or the load under way, and whether it is for the caller to make it."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._entries[key] = entry  # the last one is the one asked for last
            if entry is None or self._clock.monotonic() >= entry.until:
                known = self._flights.get(key)
                flight = self._flights[key] = known or _Flight()
                return flight, known is None
        self._tell("hit")
        return entry, False

    def _loaded(self, key: K, flight: _Flight[V], value: V, ttl: float | None) -> V:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
                entry = self._keep(key, value, ttl)
            else:
                entry = _Entry(value, 0.0)
        flight.landed.set_result(entry)
        self._tell("miss")
        return value

    def _failed(self, key: K, flight: _Flight[V], error: BaseException) -> _Entry[V] | None:
        """End a load that failed; returns what is served instead, None if nothing is."""
        with self._lock:
            entry = self._entries.get(key)
            if self._flights.get(key) is flight:
                del self._flights[key]
            else:
                entry = None
            now = self._clock.monotonic()
        if entry is not None and now < entry.until + self._stale_for and is_transient(error):
            flight.landed.set_result(entry)
            self._tell("stale", error=type(error).__name__)
            return entry
        if isinstance(error, Exception):
            flight.landed.set_exception(error)
        else:
            flight.landed.set_result(None)  # cancelled or interrupted: no business of those who wait
        self._tell("miss")
        return None

    def _landed(self, key: K, flight: _Flight[V]) -> _Entry[V] | None:
        """Return what somebody else loaded, None if they were interrupted. Raises the load's error, TimedOutError."""
        if not flight.landed.done():
            raise TimedOutError(
                f"no time is left to wait for {key!r} of the cache {self.name}",
                cause="The deadline has passed while another call was loading it.",
            )
        entry = flight.landed.result()
        if entry is not None:
            self._tell("shared")
        return entry

    def _keep(self, key: K, value: V, ttl: float | None) -> _Entry[V]:
        seconds = self._ttl if ttl is None else ttl
        if self._rng is not None:
            seconds *= 1.0 - self._jitter * self._rng.random()
        entry = _Entry(value, self._clock.monotonic() + seconds)
        self._entries.pop(key, None)
        self._entries[key] = entry
        while len(self._entries) > self._max_size:
            del self._entries[next(iter(self._entries))]
        return entry

    def _tell(self, outcome: str, **fields: str) -> None:
        self._hook(Event(f"cache.{outcome}", self.name, fields))


def _time_left() -> float | None:
    deadline = current_deadline()
    return None if deadline is None else deadline.remaining()
