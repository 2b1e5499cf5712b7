"""Why a call was not tried again is told with the event, for metrics to count."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from nbactl.core.calls.deadline import Deadline
from nbactl.core.calls.rate_limit import RateLimit, RateLimiter
from nbactl.core.calls.retry import RetryPolicy, retry_call
from nbactl.errors import BreakerOpenError, UnavailableError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from nbactl.core.observe.events import Event


@pytest.mark.parametrize(
    ("reason", "attempts", "seconds", "tokens", "error"),
    [
        ("attempts", 2, 600.0, 10, UnavailableError("down")),
        ("deadline", 9, 5.0, 10, UnavailableError("down")),
        ("budget", 9, 600.0, 1, UnavailableError("down")),
        ("breaker", 9, 600.0, 10, BreakerOpenError("open")),
    ],
)
def test_what_forbade_another_try_is_reported(
    reason: str, attempts: int, seconds: float, tokens: int, error: UnavailableError
) -> None:
    clock = FakeClock()
    heard: list[Event] = []

    def call() -> None:
        raise error

    with pytest.raises(UnavailableError):
        retry_call(
            RetryPolicy("p", attempts=attempts, base=2.0, jitter=False),
            call,
            clock=clock,
            rng=random.Random(1),
            deadline=Deadline.after(seconds, clock),
            budget=RateLimiter(RateLimit(tokens, 1e6), clock),
            hook=heard.append,
        )
    assert heard[-1].kind == "retry.gave_up"
    assert heard[-1].fields["reason"] == reason


def test_a_token_bucket_says_how_full_it_is_without_taking_any() -> None:
    clock = FakeClock()
    bucket = RateLimiter(RateLimit(10, 100.0), clock)
    assert [bucket.level(), bucket.level()] == [10.0, 10.0]
    for _ in range(12):
        bucket.take(within=1000.0)
    assert bucket.level() == 0.0  # two stand in line
    clock.advance(35.0)
    assert bucket.level() == pytest.approx(1.5)
