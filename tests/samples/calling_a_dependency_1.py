"""docs/library.md"""

import random

from nbactl.config.loader import load_config
from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.policies import CallPolicies
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock

clock = FakeClock()
policies = CallPolicies(load_config(None).timeouts.calls(), clock=clock, rng=random.Random(1))
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
