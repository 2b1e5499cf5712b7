"""docs/library.md"""

import random

from nbactl.core import CallPolicies, CallSettings, RetryPolicy, UnavailableError, remaining
from nbactl.testing import FakeClock

clock = FakeClock()
settings = CallSettings("critical_api", total=120.0, retry=RetryPolicy("api", attempts=3), attempt=30.0)
policies = CallPolicies({settings.name: settings}, clock=clock, rng=random.Random(1))  # in a service: service.policies
odds = policies["critical_api"]
answers: list[UnavailableError | dict[str, float]] = [UnavailableError("busy", retry_after=4.0), {"spread": -3.5}]


@odds
def spread(game_id: str) -> dict[str, float]:
    assert remaining(300.0) == 30.0  # what is left of this try: the HTTP client's own timeout
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return answer


assert spread("0022300561") == {"spread": -3.5}
assert clock.sleeps == [4.0]  # Retry-After is the least it waits
