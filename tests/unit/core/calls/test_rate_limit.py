from __future__ import annotations

from math import inf

import pytest

from nbactl.core.calls.rate_limit import FIRESTORE_RAMP, RateLimit, RateLimiter
from nbactl.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def wait(limiter: RateLimiter, clock: FakeClock, count: int) -> None:
    """Take tokens and wait until they may be used."""
    seconds = limiter.take(count, within=inf)
    assert seconds is not None
    clock.advance(seconds)


def test_the_first_minutes_allow_500_a_second(clock: FakeClock) -> None:
    limiter = RateLimiter(FIRESTORE_RAMP, clock)
    for _ in range(10):
        wait(limiter, clock, 500)
    assert clock.monotonic() == pytest.approx(9.0)


def test_the_rate_grows_by_half_every_five_minutes(clock: FakeClock) -> None:
    limiter = RateLimiter(FIRESTORE_RAMP, clock)
    wait(limiter, clock, 1)
    rates = []
    for _ in range(4):
        rates.append(limiter.rate)
        clock.advance(300)
    assert rates == [500.0, 750.0, 1125.0, 1687.5]


def test_a_long_run_writes_what_the_rule_allows(clock: FakeClock) -> None:
    limiter = RateLimiter(FIRESTORE_RAMP, clock)
    taken = 0
    while clock.monotonic() < 600:
        wait(limiter, clock, 100)
        taken += 100
    assert taken == pytest.approx(500 * 300 + 750 * 300, rel=0.01)


def test_idle_time_is_not_saved_up(clock: FakeClock) -> None:
    limiter = RateLimiter(RateLimit.per_second(10), clock)
    wait(limiter, clock, 10)
    clock.advance(100)
    before = clock.monotonic()
    wait(limiter, clock, 10)
    wait(limiter, clock, 10)
    assert clock.monotonic() - before == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "largest"), [(0.5, 1), (50, 50), (2_000, 2_000)])
def test_a_fixed_rate_is_kept_and_not_sent_in_bursts(clock: FakeClock, rate: float, largest: int) -> None:
    limiter = RateLimiter(RateLimit.per_second(rate), clock)
    assert limiter.burst == largest
    for _ in range(4):
        wait(limiter, clock, largest)
    assert clock.monotonic() == pytest.approx(3 * largest / rate)
    assert limiter.rate == rate


def test_a_rate_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        RateLimit.per_second(0)
