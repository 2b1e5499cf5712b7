"""docs/library.md"""

from nbactl.core import bound, carry, current, deadline_scope, remaining
from nbactl.core import incoming_attributes, incoming_headers, outgoing_attributes, outgoing_headers
from nbactl.testing import FakeClock

clock = FakeClock()
with bound(run_id="run-1", game_date="2024-01-15", correlation_id="cor-1"), deadline_scope(20.0, clock):
    headers = outgoing_headers()
    attributes = outgoing_attributes()
    work = carry(lambda: current().run_id)  # for a thread pool
assert current().run_id is None
assert work() == "run-1"
with incoming_headers({name.lower(): value for name, value in headers.items()}, clock):
    assert (current().game_date, current().correlation_id, remaining(60.0)) == ("2024-01-15", "cor-1", 20.0)
with incoming_attributes(attributes, clock):
    assert current().run_id == "run-1"
