from __future__ import annotations

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nbactl.core.calls.breaker import Breaker, BreakerSettings, is_outage
from nbactl.core.observe.events import Event
from nbactl.errors import (
    BreakerOpenError,
    ContentionError,
    DataError,
    NotFoundError,
    TimedOutError,
    UnavailableError,
)
from nbactl.testing import FakeClock
from tests.kit.breakers import Lab


def test_it_opens_when_the_share_of_failures_is_reached() -> None:
    lab = Lab()
    lab.good(2)
    lab.bad(1)
    assert lab.state == "closed"
    lab.bad(1)
    assert lab.state == "open"
    [event] = lab.events
    assert event == Event(
        "breaker.open",
        "upstream",
        {"before": "closed", "reason": "too many calls failed", "calls": 4, "failures": 2, "slow": 0},
    )


def test_it_stays_closed_below_the_minimum_of_calls_and_opens_when_a_success_completes_it() -> None:
    lab = Lab()
    lab.bad(3)
    assert lab.state == "closed"
    lab.good(1)
    assert lab.state == "open"


def test_an_open_breaker_refuses_at_once_and_says_when_to_come_back() -> None:
    lab = Lab()
    lab.trip()
    lab.clock.advance(10)
    calls: list[int] = []
    with pytest.raises(BreakerOpenError) as raised:
        lab.breaker.call(calls.append, 1)
    assert calls == []
    assert (raised.value.retry_after, raised.value.retryable, raised.value.exit_code) == (20.0, True, 7)
    assert lab.kinds()[-1] == "breaker.refused"


def test_failures_that_left_the_time_window_count_no_more() -> None:
    lab = Lab()
    lab.bad(3)
    lab.clock.advance(61)
    lab.bad(3)
    assert (lab.state, lab.breaker.status().failures) == ("closed", 3)
    lab.clock.advance(30)
    lab.bad(1)
    assert lab.state == "open"


def test_slow_calls_open_it_although_they_succeed() -> None:
    lab = Lab(slow_call=5.0, slow_call_rate=0.75)
    lab.good(1)
    lab.good(2, takes=5.0)
    assert lab.state == "closed"
    lab.good(1, takes=5.0)
    assert lab.state == "open"
    assert lab.events[0].fields["slow"] == 3


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (UnavailableError("x"), True),
        (UnavailableError("full", retryable=False), True),
        (TimedOutError("x"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (ContentionError("x"), False),
        (BreakerOpenError("x"), False),
        (NotFoundError("x"), False),
        (DataError("x"), False),
        (ValueError("x"), False),
    ],
)
def test_only_what_tells_of_an_outage_counts_as_a_failure(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage
    lab = Lab()
    lab.bad(4, error)
    assert lab.state == ("open" if outage else "closed")


def test_a_probe_that_succeeds_closes_it_with_a_clean_slate() -> None:
    lab = Lab()
    lab.trip()
    lab.clock.advance(30)
    lab.good()
    assert lab.kinds() == ["breaker.open", "breaker.half_open", "breaker.closed"]
    lab.bad(3)
    assert lab.state == "closed"


@pytest.mark.parametrize("ending", ["failed", "slow"])
def test_a_probe_that_fails_or_is_slow_opens_it_again_for_the_whole_time(ending: str) -> None:
    lab = Lab(slow_call=5.0)
    lab.trip()
    lab.clock.advance(30)
    if ending == "failed":
        lab.bad()
    else:
        lab.good(takes=6.0)
    assert lab.state == "open"
    assert lab.breaker.status().wait == 30.0


def test_all_probes_must_succeed_before_it_closes() -> None:
    lab = Lab(probes=3)
    lab.trip()
    lab.clock.advance(30)
    lab.good(2)
    assert lab.state == "half_open"
    lab.good()
    assert lab.state == "closed"


@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_lets_exactly_its_probes_of_sixteen_threads_through(probes: int) -> None:
    lab = Lab(probes=probes)
    lab.trip()
    lab.clock.advance(30)
    start, hold, let_through = threading.Barrier(16), threading.Event(), []

    def probe() -> None:
        let_through.append(threading.get_ident())
        hold.wait(10)

    def caller(_: int) -> str:
        start.wait(10)
        try:
            lab.breaker.call(probe)
        except BreakerOpenError:
            if sum(event.kind == "breaker.refused" for event in list(lab.events)) >= 16 - probes:
                hold.set()
            return "refused"
        return "made"

    with ThreadPoolExecutor(16) as pool:
        ends = list(pool.map(caller, range(16)))
    assert (ends.count("made"), len(let_through)) == (probes, probes)
    assert lab.state == "closed"


@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_lets_exactly_its_probes_of_sixteen_coroutines_through(probes: int) -> None:
    lab = Lab(probes=probes)
    lab.trip()
    lab.clock.advance(30)

    async def scenario() -> list[Any]:
        async def call() -> str:
            await asyncio.sleep(0)
            return "made"

        return await asyncio.gather(*(lab.breaker.call_async(call) for _ in range(16)), return_exceptions=True)

    ends = asyncio.run(scenario())
    assert ends.count("made") == probes
    assert sum(isinstance(end, BreakerOpenError) for end in ends) == 16 - probes


def test_a_probe_that_is_cancelled_gives_its_place_to_another() -> None:
    lab = Lab()
    lab.trip()
    lab.clock.advance(30)

    async def scenario() -> None:
        task = asyncio.create_task(lab.breaker.call_async(asyncio.Event().wait))
        await asyncio.sleep(0)
        with pytest.raises(BreakerOpenError):
            lab.good()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    lab.good()
    assert lab.state == "closed"


def test_a_probe_that_never_ends_does_not_keep_it_half_open() -> None:
    lab = Lab()
    lab.trip()
    lab.clock.advance(30)
    lost = lab.breaker.admit()
    lab.clock.advance(29)
    with pytest.raises(BreakerOpenError):
        lab.good()
    lab.clock.advance(1)
    lab.good()
    assert lab.state == "closed"
    lab.breaker.ended(lost, 0.0, UnavailableError("at last"))
    assert (lab.state, lab.breaker.status().failures) == ("closed", 0)


def test_a_call_that_began_before_it_opened_is_no_probe() -> None:
    lab = Lab()
    old = lab.breaker.admit()
    lab.trip()
    lab.clock.advance(30)
    probe = lab.breaker.admit()
    lab.breaker.ended(old, 0.0)
    assert lab.state == "half_open"
    lab.breaker.ended(probe, 30.0)
    assert lab.state == "closed"


def test_opened_by_hand_it_stays_open_until_it_is_reset() -> None:
    lab = Lab()
    lab.breaker.open("maintenance")
    lab.clock.advance(1e6)
    with pytest.raises(BreakerOpenError) as raised:
        lab.good()
    assert (raised.value.retry_after, lab.breaker.status().wait) == (None, math.inf)
    lab.breaker.reset()
    lab.good()
    assert [event.fields.get("reason") for event in lab.events] == ["maintenance", None, "reset by hand"]


def test_a_hook_may_look_at_the_breaker_it_hears_of() -> None:
    seen = []
    breaker = Breaker(
        BreakerSettings("x", failure_rate=1, minimum_calls=1, open_for=1, window=1),
        FakeClock(),
        lambda _: seen.append(breaker.status().state),
    )
    with pytest.raises(TimeoutError):
        breaker.call(_time_out)
    assert seen == ["open"]


def _time_out() -> None:
    raise TimeoutError
