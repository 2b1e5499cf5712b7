from __future__ import annotations

import pytest

from nbactl.core.calls.rate_limit import Throttle
from nbactl.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_first_minutes_allow_500_a_second(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    for _ in range(10):
        throttle.take(500)
    assert clock.monotonic() == pytest.approx(9.0)


def test_the_rate_grows_by_half_every_five_minutes(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    throttle.take(1)
    rates = []
    for _ in range(4):
        rates.append(throttle.rate)
        clock.advance(300)
    assert rates == [500.0, 750.0, 1125.0, 1687.5]


def test_a_long_run_writes_what_the_rule_allows(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    taken = 0
    while clock.monotonic() < 600:
        throttle.take(100)
        taken += 100
    assert taken == pytest.approx(500 * 300 + 750 * 300, rel=0.01)


def test_idle_time_is_not_saved_up(clock: FakeClock) -> None:
    throttle = Throttle(clock, rate=10)
    throttle.take(10)
    clock.advance(100)
    before = clock.monotonic()
    throttle.take(10)
    throttle.take(10)
    assert clock.monotonic() - before == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "largest"), [(0.5, 1), (50, 50), (2_000, 2_000)])
def test_a_fixed_rate_is_kept_and_not_sent_in_bursts(clock: FakeClock, rate: float, largest: int) -> None:
    throttle = Throttle(clock, rate=rate)
    assert throttle.largest == largest
    for _ in range(4):
        throttle.take(largest)
    assert clock.monotonic() == pytest.approx(3 * largest / rate)
    assert throttle.rate == rate


def test_a_rate_is_above_zero(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Throttle(clock, rate=0)
