from __future__ import annotations

import random
import threading

import pytest

from nbactl.core.service.probes import Latency, RequestStats
from nbactl.testing import FakeClock

WINDOW = 300.0


def test_without_requests_there_is_no_latency() -> None:
    assert RequestStats(FakeClock(), WINDOW).latency() == Latency(0, None, None)


def test_the_average_is_exact_and_the_percentile_at_most_a_tenth_too_high() -> None:
    rng, traffic = random.Random(3), RequestStats(FakeClock(), WINDOW)
    times = [rng.lognormvariate(-4, 1.5) for _ in range(5_000)]
    for seconds in times:
        traffic.add(seconds)
    told, exact = traffic.latency(), sorted(times)[4_749]
    assert told.recent == traffic.total == 5_000
    assert told.average == pytest.approx(sum(times) / 5_000)
    assert told.p95 is not None
    assert exact <= told.p95 <= exact * 1.1 + 1e-9


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e6])
def test_no_duration_is_out_of_range(seconds: float) -> None:
    traffic = RequestStats(FakeClock(), WINDOW)
    traffic.add(seconds)
    assert traffic.latency().recent == 1


def test_what_was_long_ago_is_forgotten_and_the_count_goes_on() -> None:
    clock = FakeClock()
    traffic = RequestStats(clock, WINDOW)
    traffic.add(9.0)
    clock.advance(WINDOW)
    traffic.add(1.0)
    assert traffic.latency() == Latency(2, 5.0, traffic.latency().p95)
    clock.advance(WINDOW)
    assert traffic.latency().average == 1.0
    clock.advance(2 * WINDOW)
    assert traffic.latency() == Latency(0, None, None)
    assert traffic.total == 2


def test_no_request_is_lost_among_threads() -> None:
    traffic = RequestStats(FakeClock(), WINDOW)

    def add() -> None:
        for _ in range(1_000):
            traffic.add(0.01)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traffic.total == traffic.latency().recent == 8_000
