"""docs/library.md"""

import random
from datetime import UTC, datetime

import httpx2

from nbactl.core import CallPolicy, CallSettings, RetryPolicy, check_response, translated
from nbactl.testing import FakeClock

answers = [httpx2.Response(503, headers={"Retry-After": "4"}), httpx2.Response(200, json={"games": 9})]
transport = httpx2.MockTransport(lambda request: answers.pop(0))  # in a service: the network
clock = FakeClock()
policy = CallPolicy(
    CallSettings("schedule", total=60.0, retry=RetryPolicy("tries", attempts=3), attempt=10.0),
    clock=clock,
    rng=random.Random(1),
)


@policy
def schedule() -> dict[str, int]:
    with translated("the schedule"), httpx2.Client(transport=transport) as client:
        response = client.get("https://schedule.example/today")
        check_response("the schedule", response, datetime.now(UTC))
        games: dict[str, int] = response.json()
        return games


assert schedule() == {"games": 9}
assert clock.sleeps == [4.0]
