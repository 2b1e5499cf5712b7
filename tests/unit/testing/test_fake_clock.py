from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from nbactl.core._support import faults as core_faults
from nbactl.testing import FakeClock, SequentialIds, faults


def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    start = clock.now()
    assert (clock.now(), clock.monotonic()) == (start, 0.0)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (start + timedelta(seconds=1.5), 1.5)
    assert start.utcoffset() == timedelta(0)


def test_sleep_moves_the_clock_and_is_remembered() -> None:
    clock = FakeClock()
    clock.sleep(3.0)
    assert (clock.monotonic(), clock.sleeps) == (3.0, [3.0])


def test_setting_the_wall_clock_back_leaves_monotonic_time_alone() -> None:
    clock = FakeClock()
    clock.advance(5)
    clock.set(clock.now() - timedelta(hours=1))
    assert clock.monotonic() == 5.0


async def _sleeper(clock: FakeClock, seconds: float, log: list[tuple[float, float]]) -> None:
    await clock.sleep_async(seconds)
    log.append((seconds, clock.monotonic()))


def test_sleepers_wake_in_the_order_of_their_ends_each_at_its_time() -> None:
    async def scenario() -> list[tuple[float, float]]:
        clock = FakeClock()
        log: list[tuple[float, float]] = []
        tasks = [asyncio.create_task(_sleeper(clock, seconds, log)) for seconds in (3.0, 1.0, 2.0, 9.0)]
        await clock.advance_async(5.0)
        assert clock.monotonic() == 5.0
        assert not tasks[3].done()
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return log

    assert asyncio.run(scenario()) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def test_what_goes_to_sleep_again_is_woken_within_the_same_advance() -> None:
    async def scenario() -> list[float]:
        clock = FakeClock()
        ticks: list[float] = []

        async def heart() -> None:
            while True:
                await clock.sleep_async(10)
                ticks.append(clock.monotonic())

        task = asyncio.create_task(heart())
        await clock.advance_async(35)
        task.cancel()
        return ticks

    assert asyncio.run(scenario()) == [10.0, 20.0, 30.0]


def test_autojump_needs_nobody_to_move_the_clock() -> None:
    async def scenario() -> list[tuple[float, float]]:
        clock = FakeClock(autojump=True)
        log: list[tuple[float, float]] = []
        await asyncio.gather(*(_sleeper(clock, seconds, log) for seconds in (300.0, 100.0, 200.0)))
        return log

    assert asyncio.run(scenario()) == [(100.0, 100.0), (200.0, 200.0), (300.0, 300.0)]


def test_autojump_works_in_a_second_event_loop() -> None:
    clock = FakeClock(autojump=True)

    async def interrupted() -> None:
        task = asyncio.create_task(clock.sleep_async(1.0))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(interrupted())
    asyncio.run(clock.sleep_async(5.0))
    assert clock.monotonic() == 5.0


def test_a_cancelled_sleeper_is_forgotten() -> None:
    async def scenario() -> None:
        clock = FakeClock(autojump=True)
        task = asyncio.create_task(FakeClock().sleep_async(1.0))
        await asyncio.sleep(0)
        task.cancel()
        await clock.sleep_async(5.0)
        assert clock.monotonic() == 5.0

    asyncio.run(scenario())


def test_another_thread_may_move_the_clock() -> None:
    async def scenario() -> None:
        clock = FakeClock()
        task = asyncio.create_task(clock.sleep_async(60.0))
        await asyncio.sleep(0)
        await asyncio.to_thread(clock.advance, 60.0)
        await asyncio.wait_for(task, timeout=10)

    asyncio.run(scenario())


def test_ids_count_per_prefix_and_never_repeat_between_threads() -> None:
    ids = SequentialIds()
    assert [ids.new("run"), ids.new("task"), ids.new("run")] == ["run-0001", "task-0001", "run-0002"]
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(ids.new("x") for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 800


def test_a_fault_lasts_as_long_as_its_block() -> None:
    with faults.failing("some.point", KeyError("told"), times=2), pytest.raises(KeyError):
        faults.reach("some.point")
    with faults.counting("some.point") as reached:
        faults.reach("some.point")
        assert reached() == 1
    faults.reach("some.point")
    assert "some.point" not in core_faults._armed
