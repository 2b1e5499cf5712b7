from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from nbactl.core.calls.deadline import Deadline, current_deadline, deadline_scope, remaining, time_for
from nbactl.errors import TimedOutError
from nbactl.testing import FakeClock


def test_without_a_deadline_calls_keep_their_own_timeout() -> None:
    assert current_deadline() is None
    assert remaining(60.0) == 60.0


def test_inv_18_what_is_left_shortens_a_calls_timeout() -> None:
    clock = FakeClock()
    with deadline_scope(10.0, clock):
        clock.advance(4)
        assert remaining(60.0) == 6.0
        assert remaining(5.0) == 5.0
        clock.advance(7)
        assert remaining(60.0) == 0.0
    assert remaining(60.0) == 60.0


@pytest.mark.parametrize(("outer", "inner", "left"), [(10.0, 3.0, 3.0), (3.0, 10.0, 3.0)])
def test_inv_18_a_scope_within_a_scope_only_shortens(outer: float, inner: float, left: float) -> None:
    clock = FakeClock()
    with deadline_scope(outer, clock):
        with deadline_scope(inner, clock) as deadline:
            assert deadline.remaining() == remaining(60.0) == left
        assert remaining(60.0) == outer


def test_scopes_of_different_clocks_compare_what_is_left() -> None:
    old, new = FakeClock(), FakeClock()
    old.advance(1_000_000)
    with deadline_scope(5.0, old), deadline_scope(10.0, new):
        assert remaining(60.0) == 5.0


def test_check_refuses_to_begin_what_cannot_end() -> None:
    clock = FakeClock()
    deadline = Deadline.after(1.0, clock)
    deadline.check("a query")
    clock.advance(1)
    with pytest.raises(TimedOutError, match="no time is left for a query"):
        deadline.check("a query")


def test_tasks_inherit_the_deadline_and_keep_their_own_to_themselves() -> None:
    clock = FakeClock()

    async def child() -> float:
        with deadline_scope(1.0, clock):
            await asyncio.sleep(0)
            return remaining(60.0)

    async def scenario() -> tuple[float, float, float]:
        with deadline_scope(10.0, clock):
            task = asyncio.create_task(child())
            await asyncio.sleep(0)
            return remaining(60.0), await task, await asyncio.to_thread(remaining, 60.0)

    assert asyncio.run(scenario()) == (10.0, 1.0, 10.0)


def test_threads_inherit_it_through_their_context_only() -> None:
    clock = FakeClock()
    seen: list[float] = []
    with deadline_scope(10.0, clock):
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=context.run, args=(lambda: seen.append(remaining(60.0)),)),
            threading.Thread(target=lambda: seen.append(remaining(60.0))),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == [10.0, 60.0]


def test_the_scope_ends_with_an_error_too() -> None:
    with pytest.raises(ValueError, match="inside"), deadline_scope(1.0, FakeClock()):
        raise ValueError("inside")
    assert current_deadline() is None


def test_inv_18_a_calls_timeout_is_never_nothing() -> None:
    clock = FakeClock()
    assert time_for("a call", 60.0) == 60.0
    with deadline_scope(10.0, clock):
        assert time_for("a call", 60.0) == 10.0
        assert time_for("a call", 5.0) == 5.0
        clock.advance(10)
        with pytest.raises(TimedOutError, match="no time is left for a call"):
            time_for("a call", 60.0)
