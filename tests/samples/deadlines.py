"""docs/library.md"""

from nbactl.core import TimedOutError, beyond_deadline, deadline_scope, remaining, time_for
from nbactl.testing import FakeClock

clock = FakeClock()
with deadline_scope(30.0, clock):
    clock.advance(20.0)
    with deadline_scope(60.0, clock):
        assert time_for("a call", 25.0) == 10.0  # for the timeout of a client
    clock.advance(10.0)
    assert remaining(25.0) == 0.0
    try:
        time_for("a call", 25.0)
    except TimedOutError as error:
        assert str(error) == "no time is left for a call"
    with beyond_deadline():  # to give back what is held, because the time is over
        assert remaining(25.0) == 25.0
