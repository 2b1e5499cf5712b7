"""docs/library.md"""

from nbactl.core.service.health import Health
from nbactl.core.service.health import Check
from nbactl.core.service.probes import Identity, Reports
from nbactl.core.service.traffic import RequestStats
from nbactl.core.service.stopping import GracefulStop
from nbactl.testing import FakeClock

clock = FakeClock()
stop = GracefulStop(clock, finish=5.0, let_go=1.0, steps=3.0)
stop.add("feed", lambda: None)  # what is closed when the service stops
health = Health([Check("feed", lambda: None, timeout=1.0)], clock=clock, every=15.0)
traffic = RequestStats(clock, window=300.0)
identity = Identity("example", "1.0", "digest")
reports = Reports(identity, health, traffic, clock=clock, is_stopping=lambda: stop.is_stopping)
assert reports.ready().status == 503  # nothing is known of the feed yet
assert b"feed: not looked at yet" in reports.ready().body
