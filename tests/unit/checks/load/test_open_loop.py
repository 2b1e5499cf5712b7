"""The open loop by virtual time: latencies count from the intended instant, and nothing is dropped silently."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from nbactl.checks.load.open_loop import NoAnswerError, arrivals, open_loop
from nbactl.checks.load.report import report_of
from tests.kit.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.checks.load.report import LoadReport


def now() -> float:
    return asyncio.get_running_loop().time()


async def frozen_one_second_in_three(_: int) -> str:
    phase = now() % 3
    if phase < 1:
        await asyncio.sleep(1 - phase)
    return "204"


def load(instants: Sequence[float], server: object, most_open: int = 10_000) -> LoadReport:
    return report_of(run_virtually(open_loop(instants, server, most_open=most_open)))  # type: ignore[arg-type]


def test_a_server_that_is_frozen_one_second_in_three_is_seen() -> None:
    report = load(arrivals(100.0, 60.0), frozen_one_second_in_three)
    assert report.statuses == {"204": 6_000}
    assert report.latency.p50 == pytest.approx(0.0, abs=1e-6)
    assert report.latency.p90 == pytest.approx(0.7, abs=0.011)
    assert report.latency.p99 == pytest.approx(0.97, abs=0.011)
    assert report.latency.max == pytest.approx(1.0, abs=1e-6)
    assert report.throughput == pytest.approx(100.0, rel=0.01)


def test_a_closed_loop_does_not_see_it() -> None:
    """Why the loop is open: the same server, asked by one caller who waits for each answer."""

    async def closed() -> list[float]:
        found = []
        while now() < 60.0:
            began = now()
            await frozen_one_second_in_three(0)
            found.append(now() - began)
            await asyncio.sleep(0.01)
        return found

    latencies = sorted(run_virtually(closed()))
    assert latencies[len(latencies) * 9 // 10] < 0.001


def test_poisson_arrivals_follow_their_seed_and_rate() -> None:
    first, again, other = (arrivals(50.0, 200.0, "poisson", seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == pytest.approx(10_000, rel=0.05)
    assert first == sorted(first)
    assert first[0] > 0.0
    assert first[-1] < 200.0
    gaps = [second - one for one, second in pairwise(first)]
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)  # e**-1, not 0 or 1


def test_what_finds_too_many_open_requests_is_counted_as_overflow() -> None:
    async def slow(_: int) -> str:
        await asyncio.sleep(1.05)
        return "200"

    report = load(arrivals(10.0, 10.0), slow, most_open=5)
    assert report.statuses == {"200": 46}, "five, then six find no place"
    assert (report.intended, report.overflow) == (100, 54)
    assert report.latency.p50 is None, "what was not sent is slower than every answer"


def test_failures_and_refusals_are_counted_by_kind() -> None:
    async def flaky(number: int) -> str:
        if number % 4 == 0:
            raise NoAnswerError("connect")
        if number % 4 == 1:
            raise NoAnswerError("read timeout")
        return "503" if number % 4 == 2 else "204"

    report = load(arrivals(100.0, 1.0), flaky)
    assert report.statuses == {"204": 25, "503": 25}
    assert report.errors == {"connect": 25, "read timeout": 25}
    assert report.latency.p50 == pytest.approx(0.0, abs=1e-6)
    assert report.latency.p90 is None


def test_a_generator_that_is_late_counts_its_own_delay() -> None:
    async def immediately(_: int) -> str:
        return "204"

    async def stalled() -> LoadReport:
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, lambda: loop._selector.__dict__.update(now=now() + 2.0))  # type: ignore[attr-defined]
        return report_of(await open_loop(arrivals(10.0, 4.0), immediately, most_open=100))

    report = run_virtually(stalled())
    assert report.lag == pytest.approx(2.0, abs=0.11)
    assert report.latency.max == pytest.approx(report.lag)


def test_a_defect_of_the_sender_ends_the_load() -> None:
    async def broken(number: int) -> str:
        if number == 3:
            raise ZeroDivisionError
        await asyncio.sleep(1.0)
        return "204"

    with pytest.raises(ExceptionGroup) as raised:
        load(arrivals(10.0, 1.0), broken)
    assert raised.group_contains(ZeroDivisionError)


def test_a_load_without_requests_is_empty() -> None:
    report = load([], frozen_one_second_in_three)
    assert (report.intended, report.throughput, report.latency.p50, report.lag) == (0, 0.0, None, 0.0)
