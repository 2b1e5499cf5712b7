"""A cache in memory whose values expire, and whose loads are made once however many threads wait (single-flight)."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import TYPE_CHECKING, Generic, TypeVar

from nbactl.core.calls.deadline import current_deadline
from nbactl.core.observe.events import Event, noop_hook
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class _Flight(Generic[V]):
    """A load under way. `landed` gets a tuple of what was loaded, its error, or None if the loader was interrupted."""

    __slots__ = ("landed", "thread")

    def __init__(self) -> None:
        self.landed: futures.Future[tuple[V] | None] = futures.Future()
        self.thread = threading.get_ident()


class TtlCache(Generic[K, V]):
    """Keeps up to `max_size` values for `ttl` seconds each; the least recently used one is dropped first.

    Threads may share it. `name` is what events and metrics call the cache.
    """

    def __init__(self, name: str, clock: Clock, *, ttl: float, max_size: int, hook: Hook = noop_hook) -> None:
        if max_size < 1:
            raise ValueError(f"a cache holds at least one value, not {max_size}")
        self.name = name
        self._clock = clock
        self._ttl = ttl
        self._max_size = max_size
        self._hook = hook
        self._lock = threading.Lock()
        self._entries: dict[K, tuple[V, float]] = {}
        self._flights: dict[K, _Flight[V]] = {}

    def __len__(self) -> int:
        """Return how many values are kept, including expired ones."""
        return len(self._entries)

    def get(self, key: K, load: Callable[[], V], *, ttl: float | None = None) -> V:
        """Return the value of `key`; `load` it if there is none, or wait for the thread that is loading it.

        A load that fails is not kept: all who waited get its error, and the next `get` loads again. `ttl` is for a
        value that is loaded now. Waiting ends with the deadline in force (TimedOutError). RuntimeError if `load` asks
        for its own key.
        """
        while True:
            with self._lock:
                entry = self._entries.pop(key, None)
                if entry is not None:
                    self._entries[key] = entry  # the last one is the one used last
                flight = None
                if entry is None or self._clock.monotonic() >= entry[1]:
                    flight = self._flights.get(key)
                    if loads := flight is None:
                        flight = self._flights[key] = _Flight()
            if flight is None:
                self._emit("hit")
                return entry[0]  # type: ignore[index]  # without a flight there is one
            if loads:
                return self._load(key, flight, load, self._ttl if ttl is None else ttl)
            if flight.thread == threading.get_ident():
                raise RuntimeError(f"{key!r} of the cache {self.name} is asked for by the thread that loads it")
            if (landed := self._wait(key, flight)) is not None:
                return landed[0]

    def forget(self, key: K) -> None:
        """Drop a value. A load of it that is under way is not kept: it may have read what has changed since."""
        with self._lock:
            self._flights.pop(key, None)
            self._entries.pop(key, None)

    def _load(self, key: K, flight: _Flight[V], load: Callable[[], V], ttl: float) -> V:
        try:
            value = load()
        except BaseException as error:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            if isinstance(error, Exception):
                flight.landed.set_exception(error)
            else:
                flight.landed.set_result(None)  # only this thread was interrupted
            self._emit("miss")
            raise
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
                self._entries.pop(key, None)
                self._entries[key] = (value, self._clock.monotonic() + ttl)
                if len(self._entries) > self._max_size:
                    del self._entries[next(iter(self._entries))]
        flight.landed.set_result((value,))
        self._emit("miss")
        return value

    def _wait(self, key: K, flight: _Flight[V]) -> tuple[V] | None:
        """Return what another thread loaded, None if it was interrupted. Raises the load's error, TimedOutError."""
        deadline = current_deadline()
        futures.wait((flight.landed,), None if deadline is None else deadline.remaining())
        if not flight.landed.done():
            raise TimedOutError(
                f"no time is left to wait for {key!r} of the cache {self.name}",
                cause="The deadline has passed while another call was loading it.",
            )
        landed = flight.landed.result()
        if landed is not None:
            self._emit("shared")
        return landed

    def _emit(self, outcome: str) -> None:
        self._hook(Event(f"cache.{outcome}", self.name))
