"""docs/library.md"""

import random

from nbactl.core import CallPolicy, CallSettings, RetryPolicy, UnavailableError
from nbactl.testing import FakeClock

retry = RetryPolicy("tries", attempts=3, base=1.0, jitter=False)
policy = CallPolicy(
    CallSettings("export", total=60.0, retry=retry, attempt=10.0), clock=FakeClock(), rng=random.Random(1)
)
tries = 0
for attempt in policy.attempts():
    with attempt:
        tries += 1
        if tries < 3:
            raise UnavailableError("not yet")
assert tries == 3
