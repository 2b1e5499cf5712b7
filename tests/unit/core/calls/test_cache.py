from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.cache import TtlCache
from nbactl.core.calls.deadline import deadline_scope
from nbactl.errors import TimedOutError, UnavailableError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.observe.events import Event

THREADS = 16
PATIENCE = 20.0
"""Seconds after which a test that waits for another thread has failed."""


class Lab:
    """A cache of numbers, and what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.told: Counter[str] = Counter()
        self.loads = 0
        self.cache: TtlCache[str, int] = TtlCache(
            "lab",
            self.clock,
            ttl=60.0,
            max_size=3,
            hook=self._hear,
        )

    def _hear(self, event: Event) -> None:
        assert event.name == "lab"
        self.told[event.kind.removeprefix("cache.")] += 1

    def load(self) -> int:
        self.loads += 1
        return self.loads


def test_a_value_is_loaded_once_in_its_time_to_live() -> None:
    lab = Lab()
    assert [lab.cache.get("a", lab.load) for _ in range(3)] == [1, 1, 1]
    lab.clock.advance(59.9)
    assert lab.cache.get("a", lab.load) == 1
    lab.clock.advance(0.1)
    assert lab.cache.get("a", lab.load) == 2
    assert lab.told == {"miss": 2, "hit": 3}


def test_a_wall_clock_that_jumps_changes_nothing() -> None:
    lab = Lab()
    lab.cache.get("a", lab.load)
    lab.clock.set(lab.clock.now().replace(year=2030))
    assert lab.cache.get("a", lab.load) == 1


def test_none_is_a_value_like_any_other() -> None:
    cache: TtlCache[str, None] = TtlCache("lab", FakeClock(), ttl=60.0, max_size=3)
    loads: list[None] = []
    for _ in range(2):
        assert cache.get("a", lambda: loads.append(None)) is None
    assert len(loads) == 1


def test_a_value_may_have_a_time_to_live_of_its_own() -> None:
    lab = Lab()
    lab.cache.get("a", lab.load, ttl=1.0)
    lab.clock.advance(1.0)
    assert lab.cache.get("a", lab.load) == 2


def test_what_was_not_asked_for_for_longest_goes_first() -> None:
    lab = Lab()
    for key in "abcad":  # b is the one that nobody asked for since
        lab.cache.get(key, lab.load)
    assert len(lab.cache) == 3
    assert lab.loads == 4
    for key in "acd":
        lab.cache.get(key, lab.load)
    assert lab.loads == 4
    lab.cache.get("b", lab.load)
    assert lab.loads == 5


def test_a_cache_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        TtlCache("lab", FakeClock(), ttl=1.0, max_size=0)


def test_a_load_that_fails_is_raised_and_not_kept() -> None:
    lab = Lab()
    with pytest.raises(UnavailableError):
        lab.cache.get("a", _failing(UnavailableError("down")))
    assert lab.cache.get("a", lab.load) == 1
    assert lab.told == {"miss": 2}


def _failing(error: BaseException) -> Callable[[], int]:
    def load() -> int:
        raise error

    return load


def test_what_changed_while_it_was_being_loaded_is_not_kept() -> None:
    lab = Lab()

    def load() -> int:
        lab.cache.forget("a")
        return 7

    assert lab.cache.get("a", load) == 7  # the call that began before the change gets what was loaded
    assert lab.cache.get("a", lab.load) == 1


def test_a_load_that_asks_for_its_own_key_is_refused_instead_of_waiting_for_ever() -> None:
    lab = Lab()
    with pytest.raises(RuntimeError, match="'a' of the cache lab"):
        lab.cache.get("a", lambda: lab.cache.get("a", lab.load))
    assert lab.cache.get("a", lambda: lab.cache.get("b", lab.load)) == 1


class Crowd:
    """Threads that ask for one key at the same time, all but one while the first is loading."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.told: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.cache: TtlCache[str, int] = TtlCache("crowd", SystemClock(), ttl=60.0, max_size=3, hook=self._hear)
        self.loads = 0
        self.ends: list[object] = []
        self._error = error
        self._waiting = threading.Barrier(THREADS)
        self._go_on = threading.Event()

    def _hear(self, event: Event) -> None:
        with self._lock:
            self.told[event.kind] += 1

    def load(self) -> int:
        self.loads += 1
        assert self._go_on.wait(PATIENCE)
        if self._error is not None and self.loads == 1:
            raise self._error
        return 42

    def ask(self) -> None:
        self._waiting.wait(PATIENCE)
        try:
            end: object = self.cache.get("key", self.load)
        except BaseException as error:  # noqa: BLE001 - what a thread ends with is what is looked at
            end = error
        with self._lock:
            self.ends.append(end)

    def run(self) -> list[object]:
        threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        # Those that are not waiting in a future yet find the value, or load again after an error: let them get there.
        flights = self.cache._flights
        while not (flights and len(next(iter(flights.values())).landed._waiters) == THREADS - 1):
            time.sleep(0)  # to let others run
        self._go_on.set()
        for thread in threads:
            thread.join(PATIENCE)
        return self.ends


def test_of_16_threads_one_loads_and_all_get_the_value() -> None:
    crowd = Crowd()
    assert crowd.run() == [42] * THREADS
    assert crowd.loads == 1
    assert crowd.told == {"cache.miss": 1, "cache.shared": THREADS - 1}


def test_a_load_that_fails_fails_once_for_all_16_threads() -> None:
    error = UnavailableError("down")
    crowd = Crowd(error)
    assert all(end is error for end in crowd.run())
    assert len(crowd.ends) == THREADS
    assert crowd.loads == 1
    assert crowd.cache.get("key", lambda: 1) == 1


def test_when_the_thread_that_loads_is_interrupted_another_loads() -> None:
    interrupt = KeyboardInterrupt()
    crowd = Crowd(interrupt)
    ends = crowd.run()
    assert sorted(ends, key=str) == sorted([interrupt, *[42] * (THREADS - 1)], key=str)
    assert crowd.loads == 2


def test_a_thread_waits_no_longer_than_its_deadline() -> None:
    lab = Lab()
    loading, go_on = threading.Event(), threading.Event()

    def load() -> int:
        loading.set()
        assert go_on.wait(PATIENCE)
        return 1

    slow = threading.Thread(target=lab.cache.get, args=("a", load), daemon=True)
    slow.start()
    assert loading.wait(PATIENCE)
    with deadline_scope(0.0, lab.clock), pytest.raises(TimedOutError, match="'a' of the cache lab"):
        lab.cache.get("a", lab.load)
    go_on.set()
    slow.join(PATIENCE)
    assert lab.cache.get("a", lab.load) == 1
