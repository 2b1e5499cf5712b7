from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.cache import TtlCache
from nbactl.core.calls.deadline import deadline_scope
from nbactl.errors import DataError, TimedOutError, UnavailableError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.observe.events import Event

THREADS = 16
PATIENCE = 20.0
"""Seconds after which a test that waits for another thread has failed."""


class Lab:
    """A cache of numbers, and what it told."""

    def __init__(self, **settings: float) -> None:
        self.clock = FakeClock()
        self.told: Counter[str] = Counter()
        self.loads = 0
        self.cache: TtlCache[str, int] = TtlCache(
            "lab",
            self.clock,
            ttl=60.0,
            max_size=3,
            hook=self._hear,
            **settings,  # type: ignore[arg-type]
        )

    def _hear(self, event: Event) -> None:
        assert event.name == "lab"
        self.told[event.kind.removeprefix("cache.")] += 1

    def load(self) -> int:
        self.loads += 1
        return self.loads

    async def load_async(self) -> int:
        return self.load()


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


def test_jitter_shortens_the_time_to_live_by_at_most_its_share() -> None:
    clock = FakeClock()
    cache: TtlCache[int, int] = TtlCache("lab", clock, ttl=100.0, max_size=200, jitter=0.2, rng=random.Random(1))
    for key in range(200):
        cache.put(key, key)
    clock.advance(79.9)
    assert _left(cache) == 200
    clock.advance(10.0)
    assert 50 < _left(cache) < 150
    clock.advance(10.1)
    assert _left(cache) == 0


def _left(cache: TtlCache[int, int]) -> int:
    def gone() -> int:
        raise LookupError

    left = 0
    for key in range(200):
        try:
            left += cache.get(key, gone) == key
        except LookupError:
            continue
    return left


@pytest.mark.parametrize("settings", [{"max_size": 0}, {"jitter": 1.5}, {"jitter": 0.1}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        TtlCache("lab", FakeClock(), **{"ttl": 1.0, "max_size": 1, **settings})  # type: ignore[arg-type]


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


def test_what_ran_out_is_served_for_a_while_when_its_load_fails_for_a_moment() -> None:
    lab = Lab(stale_for=30.0)
    lab.cache.get("a", lab.load)
    lab.clock.advance(89.9)
    assert lab.cache.get("a", _failing(UnavailableError("down"))) == 1
    assert lab.told == {"miss": 1, "stale": 1}
    assert lab.cache.get("a", lab.load) == 2  # the next one tries again
    lab.clock.advance(90.0)
    with pytest.raises(UnavailableError):
        lab.cache.get("a", _failing(UnavailableError("down")))


@pytest.mark.parametrize("error", [DataError("gone for good"), KeyboardInterrupt()])
def test_an_error_that_will_not_pass_is_never_hidden_by_what_ran_out(error: BaseException) -> None:
    lab = Lab(stale_for=30.0)
    lab.cache.get("a", lab.load)
    lab.clock.advance(60.0)
    with pytest.raises(type(error)):
        lab.cache.get("a", _failing(error))


def test_what_changed_while_it_was_being_loaded_is_not_kept() -> None:
    for change in (TtlCache.forget, lambda cache, _: cache.clear(), lambda cache, key: cache.put(key, 100)):
        lab = Lab()

        def load(lab: Lab = lab, change: Callable[[TtlCache[str, int], str], None] = change) -> int:
            change(lab.cache, "a")
            return 7

        assert lab.cache.get("a", load) == 7  # who began before the change gets what was loaded
        assert lab.cache.get("a", lab.load) in (1, 100)


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


async def _in_turn(lab: Lab, *, fail: BaseException | None = None) -> list[object]:
    go_on = asyncio.Event()

    async def load() -> int:
        await go_on.wait()
        if fail is not None and lab.loads == 0:
            lab.loads += 1
            raise fail
        return lab.load()

    tasks = [asyncio.ensure_future(lab.cache.get_async("a", load)) for _ in range(THREADS)]
    await asyncio.sleep(0)
    go_on.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_of_16_coroutines_one_loads_and_all_get_the_value() -> None:
    lab = Lab()
    assert asyncio.run(_in_turn(lab)) == [1] * THREADS
    assert lab.told == {"miss": 1, "shared": THREADS - 1}
    assert asyncio.run(lab.cache.get_async("a", lab.load_async)) == 1  # from another event loop


def test_a_load_that_fails_fails_once_for_all_16_coroutines() -> None:
    lab = Lab()
    error = UnavailableError("down")
    assert all(end is error for end in asyncio.run(_in_turn(lab, fail=error)))
    assert lab.loads == 1
    assert asyncio.run(lab.cache.get_async("a", lab.load_async)) == 2


def test_a_coroutine_that_fails_to_load_is_served_what_ran_out() -> None:
    async def fail() -> int:
        raise UnavailableError("down")

    lab = Lab(stale_for=30.0)
    lab.cache.get("a", lab.load)
    lab.clock.advance(60.0)
    assert asyncio.run(lab.cache.get_async("a", fail)) == 1
    assert asyncio.run(lab.cache.get_async("a", lab.load_async)) == 2


def test_when_the_coroutine_that_loads_is_cancelled_another_loads() -> None:
    async def play(lab: Lab) -> int:
        first = asyncio.ensure_future(lab.cache.get_async("a", asyncio.Event().wait))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(lab.cache.get_async("a", lab.load_async))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    lab = Lab()
    assert asyncio.run(play(lab)) == 1


def test_a_waiter_that_is_cancelled_cancels_nobody_else() -> None:
    async def play(lab: Lab) -> list[int]:
        go_on = asyncio.Event()

        async def load() -> int:
            await go_on.wait()
            return lab.load()

        first, second, third = (asyncio.ensure_future(lab.cache.get_async("a", load)) for _ in range(3))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        go_on.set()
        return [await first, await third]

    assert asyncio.run(play(Lab())) == [1, 1]


def test_threads_and_coroutines_wait_for_one_load() -> None:
    lab = Lab()
    loading = threading.Event()
    ends: list[int] = []

    async def play() -> int:
        async def load() -> int:
            loading.set()
            await asyncio.get_running_loop().run_in_executor(None, _until_waited_for, lab)
            return lab.load()

        return await lab.cache.get_async("a", load)

    def ask() -> None:
        assert loading.wait(PATIENCE)
        ends.append(lab.cache.get("a", lab.load))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert asyncio.run(play()) == 1
    thread.join(PATIENCE)
    assert ends == [1]


def _until_waited_for(lab: Lab) -> None:
    while not lab.cache._flights["a"].landed._waiters:
        time.sleep(0)  # to let others run


def test_a_coroutine_may_not_block_the_thread_in_which_another_loads() -> None:
    async def play(lab: Lab) -> None:
        loading = asyncio.ensure_future(lab.cache.get_async("a", asyncio.Event().wait))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="the thread that loads it"):
            lab.cache.get("a", lab.load)
        loading.cancel()

    asyncio.run(play(Lab()))


def test_a_coroutine_waits_no_longer_than_its_deadline() -> None:
    async def play(lab: Lab) -> None:
        loading = asyncio.ensure_future(lab.cache.get_async("a", asyncio.Event().wait))
        await asyncio.sleep(0)
        with deadline_scope(0.0, lab.clock), pytest.raises(TimedOutError, match="'a' of the cache lab"):
            await lab.cache.get_async("a", lab.load_async)
        loading.cancel()

    asyncio.run(play(Lab()))


def test_a_waiter_that_was_cancelled_leaves_nothing_behind_when_the_load_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lab = Lab()
    loading, go_on = threading.Event(), threading.Event()

    def load() -> int:
        loading.set()
        assert go_on.wait(PATIENCE)
        raise UnavailableError("down")

    def lead() -> None:
        with pytest.raises(UnavailableError):
            lab.cache.get("a", load)

    async def give_up() -> None:
        waiter = asyncio.ensure_future(lab.cache.get_async("a", lab.load_async))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.to_thread(thread.join, PATIENCE)
        await asyncio.sleep(0)

    thread = threading.Thread(target=lead, daemon=True)
    thread.start()
    assert loading.wait(PATIENCE)
    asyncio.run(give_up())
    gc.collect()
    assert caplog.records == []


def test_a_coroutine_that_asks_for_what_it_loads_is_told_so() -> None:
    cache: TtlCache[str, str] = TtlCache("test", FakeClock(), ttl=60.0, max_size=10)

    async def load() -> str:
        return await cache.get_async("key", load)

    with pytest.raises(RuntimeError, match="the coroutine that loads it"):
        asyncio.run(asyncio.wait_for(cache.get_async("key", load), 30))
