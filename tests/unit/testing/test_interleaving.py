"""The explorer of orders: it finds what is wrong, repeats it, and leaves what is right alone."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import UnavailableError
from nbactl.ports.documents import Create, Increment, Set, Update
from nbactl.testing import memory_documents
from nbactl.testing.interleaving import BrokenByOrderError, FaultRates, Interleaving, Killed, explore
from tests.kit.interleavings import JUMPS, check_then_set, counter_under_a_lease, one_message_delivered_again_and_again

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = 200
"""Orders within which a mistake must be found."""


def test_a_lease_without_fencing_is_caught() -> None:
    unfenced = partial(counter_under_a_lease, fenced=False)
    with pytest.raises(BrokenByOrderError, match=r"wrote|older token"):
        explore(unfenced, schedules=BOUND, rates=FaultRates(jump=0.1, jumps=JUMPS))


def test_check_then_set_is_caught() -> None:
    with pytest.raises(BrokenByOrderError, match="done 2 times"):
        explore(check_then_set, schedules=BOUND)


def test_the_seed_in_the_report_brings_the_same_order_back() -> None:
    def caught(seed: int, schedules: int) -> BrokenByOrderError:
        with pytest.raises(BrokenByOrderError) as found:
            explore(check_then_set, seed=seed, schedules=schedules)
        return found.value

    first = caught(0, BOUND)
    again = caught(first.seed, 1)
    assert (again.seed, again.trace) == (first.seed, first.trace)
    assert f"with seed {first.seed}" in str(first)
    assert "commit Update effects/one" in str(first)


def test_orders_differ_from_seed_to_seed() -> None:
    def scenario(order: Interleaving) -> Callable[[], None]:
        def three_steps() -> None:
            for number in range(3):
                order.step(str(number))

        for name in "abc":
            order.program(name, three_steps)
        return lambda: None

    found = explore(scenario, schedules=300)
    assert found.distinct > 100
    assert explore(scenario, schedules=300) == found


def test_who_is_killed_changes_nothing_more() -> None:
    steps: list[str] = []

    def scenario(order: Interleaving) -> Callable[[], None]:
        inner = memory_documents(order.clock)
        store = order.store(inner)

        def program() -> None:
            try:
                store.commit([Create("a/1", {})])
            finally:
                steps.append("cleaned up")
                store.commit([Create("a/2", {})])

        order.program("p", program)

        def check() -> None:
            assert inner.get("a/1") is None
            assert inner.get("a/2") is None
            assert order.killed == ["p"]

        return check

    found = explore(scenario, schedules=3, rates=FaultRates(kill=1.0))
    assert (found.killed, steps) == (3, ["cleaned up"] * 3)


def test_a_lost_answer_was_applied_and_a_refused_call_was_not() -> None:
    def scenario(applied: int, order: Interleaving) -> Callable[[], None]:
        inner = memory_documents(order.clock)
        inner.commit([Set("a/1", {"n": 0})])

        def program() -> None:
            with pytest.raises(UnavailableError):
                order.store(inner).commit([Update("a/1", {"n": Increment(1)})])

        order.program("p", program)

        def check() -> None:
            document = inner.get("a/1")
            assert document is not None
            assert document.data["n"] == applied

        return check

    assert explore(partial(scenario, 1), schedules=1, rates=FaultRates(lose_answer=1.0)).lost_answers == 1
    explore(partial(scenario, 0), schedules=1, rates=FaultRates(refuse=1.0))


def test_the_clock_jumps_both_ways_and_only_its_wall_goes_back() -> None:
    seen: set[float] = set()

    def scenario(order: Interleaving) -> Callable[[], None]:
        start = order.clock.now()

        def program() -> None:
            before = order.clock.monotonic()
            order.step("look")
            assert order.clock.monotonic() >= before
            seen.add((order.clock.now() - start).total_seconds())

        order.program("p", program)
        return lambda: None

    explore(scenario, schedules=20, rates=FaultRates(jump=1.0, jumps=(-7.0, 5.0)))
    assert seen == {-7.0, 5.0}


def test_what_a_program_raises_is_reported_with_its_order() -> None:
    def scenario(order: Interleaving) -> Callable[[], None]:
        order.program("p", lambda: {"a": 1}["nothing"])
        return lambda: None

    with pytest.raises(BrokenByOrderError, match="KeyError") as found:
        explore(scenario, schedules=1)
    assert isinstance(found.value.__cause__, KeyError)


def test_a_program_that_waits_for_another_one_is_reported_and_does_not_hang() -> None:
    def scenario(order: Interleaving) -> Callable[[], None]:
        order.program("waits", lambda: threading.Event().wait(20))
        return lambda: None

    began = time.monotonic()
    with pytest.raises(BrokenByOrderError, match="waits takes no step"):
        explore(scenario, schedules=1, timeout=0.05)
    assert time.monotonic() - began < 10


def test_steps_outside_of_programs_do_nothing() -> None:
    order = Interleaving(1, FaultRates(kill=1.0, lose_answer=1.0))
    order.step("outside")
    assert not order.may_fail("outside")
    assert order.trace == []
    assert issubclass(Killed, BaseException)


def test_the_real_thing_passes_where_the_mistakes_are_caught() -> None:
    explore(partial(counter_under_a_lease, fenced=True), schedules=BOUND, rates=FaultRates(jump=0.1, jumps=JUMPS))
    explore(one_message_delivered_again_and_again, schedules=BOUND)
