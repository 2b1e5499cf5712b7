"""Deadlines of half an hour, on a clock that is moved: nested, in policies, threads and tasks, and under a claim."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from datetime import timedelta

import pytest

from nbactl.core._support.aio import CutOff
from nbactl.core.calls.deadline import Deadline, current_deadline, deadline_scope, remaining
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.once.claim import Claim, ClaimSettings, Done
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import InProgressError, TimedOutError, UnavailableError
from nbactl.testing import FakeClock, SequentialIds, memory_documents

HALF_AN_HOUR = 1800.0
RETRY = RetryPolicy("tries", attempts=50, base=60.0, factor=1.0, cap=60.0, jitter=False)


def test_inv_18_scopes_within_scopes_end_with_the_outermost_half_hour() -> None:
    clock = FakeClock()
    with deadline_scope(HALF_AN_HOUR, clock) as outer:
        for minute in range(30):
            with deadline_scope(600.0, clock), deadline_scope(3600.0, clock) as inner:
                assert inner.remaining() == min(600.0, HALF_AN_HOUR - 60.0 * minute)
            clock.advance(60)
        assert outer.remaining() == remaining(60.0) == 0.0
        with pytest.raises(TimedOutError, match="no time is left"):
            outer.check("another minute")
    assert current_deadline() is None


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(days=1)])
def test_inv_14_a_wall_clock_that_is_set_moves_no_deadline(jump: timedelta) -> None:
    clock = FakeClock()
    deadline = Deadline.after(HALF_AN_HOUR, clock)
    clock.advance(900)
    clock.set(clock.now() + jump)
    assert deadline.remaining() == 900.0
    clock.advance(900)
    assert deadline.remaining() == 0.0


def policy(clock: FakeClock, attempt: float) -> CallPolicy:
    settings = CallSettings("half an hour", HALF_AN_HOUR, RETRY, attempt)
    return CallPolicy(settings, clock=clock, rng=random.Random(1))


def test_inv_18_a_policy_of_half_an_hour_ends_its_tries_in_time() -> None:
    clock = FakeClock()
    given: list[float] = []

    def slow() -> None:
        given.append(remaining(1e9))
        clock.advance(given[-1])
        raise TimedOutError("took all it was given")

    with pytest.raises(TimedOutError):
        policy(clock, 420.0).call(slow)
    # Seven minutes and a pause of one each; for a fourth pause and try six minutes are left.
    assert given == [420.0, 420.0, 420.0, 360.0]
    assert clock.monotonic() == HALF_AN_HOUR


def test_inv_18_a_coroutine_that_hangs_is_cut_off_each_time_and_at_last_by_the_half_hour() -> None:
    clock = FakeClock(autojump=True)
    begun: list[float] = []

    async def hang() -> None:
        begun.append(clock.monotonic())
        await clock.sleep_async(1e9)

    with pytest.raises(TimedOutError, match="cut off"):
        asyncio.run(policy(clock, 420.0).call_async(hang))
    assert begun == [0.0, 480.0, 960.0, 1440.0]
    assert clock.monotonic() == HALF_AN_HOUR


def test_inv_18_a_callers_deadline_is_the_shorter_one_for_a_policy_of_half_an_hour() -> None:
    clock = FakeClock()
    calls: list[float] = []

    def fail() -> None:
        calls.append(remaining(1e9))
        clock.advance(30)
        raise UnavailableError("down")

    with deadline_scope(300.0, clock), pytest.raises(UnavailableError):
        policy(clock, 420.0).call(fail)
    assert calls == [300.0, 210.0, 120.0, 30.0]


def test_inv_18_fifty_tasks_end_at_the_same_half_hour_and_threads_inherit_it() -> None:
    clock = FakeClock(autojump=True)

    async def wait(number: int) -> float:
        deadline = current_deadline()
        assert deadline is not None
        await clock.sleep_async(number)
        try:
            with CutOff("a task", deadline, deadline.remaining()):
                await clock.sleep_async(1e9)
        except TimedOutError:
            return clock.monotonic()
        raise AssertionError("it was not cut off")

    async def scenario() -> list[float]:
        with deadline_scope(HALF_AN_HOUR, clock):
            return await asyncio.gather(*(wait(number) for number in range(50)))

    assert asyncio.run(scenario()) == [HALF_AN_HOUR] * 50
    seen: list[float] = []
    with deadline_scope(HALF_AN_HOUR, clock):
        clock.advance(1799)
        contexts = [contextvars.copy_context() for _ in range(4)]
        threads = [
            threading.Thread(target=context.run, args=(lambda: seen.append(remaining(60.0)),)) for context in contexts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [1.0] * 4


def test_inv_05_work_of_half_an_hour_keeps_its_claim_by_signs_of_life() -> None:
    clock = FakeClock()
    store = memory_documents(clock)

    def process(owner: str) -> Idempotency:
        terms = ClaimSettings(lease=60.0, renew_every=20.0, keep=7 * 86400.0)
        return Idempotency(store, clock, SequentialIds(), owner=lambda: owner, terms=terms, is_dead=lambda _: False)

    worker, other = process("worker"), process("other")
    claim = worker.begin("message")
    assert isinstance(claim, Claim)
    for _ in range(180):
        clock.advance(10)
        worker.renew_due()
        with pytest.raises(InProgressError):
            other.begin("message")
    assert clock.monotonic() == HALF_AN_HOUR
    worker.complete(claim, "done")
    assert other.begin("message") == Done("message", "done")
    for each in (worker, other):
        each.close()
    store.close()
