"""docs/library.md"""

from nbactl.core.alerts import AlertBus, Alerts, LogChannel, TextChannel
from nbactl.core.outbox.outbox import Outbox
from nbactl.ports.alerts import Alert
from nbactl.testing import FakeClock, memory_documents

clock = FakeClock()
store = memory_documents(clock)
told: list[str] = []
kept = {"pager": TextChannel(told.append)}
outbox = Outbox(store, AlertBus(kept), clock, redrive_after=120.0, keep=86400.0)
alerts = Alerts(store, outbox, clock, direct={"log": LogChannel()}, kept=kept, window=3600.0, delivery_timeout=5.0)
for _ in range(3):
    alerts.send(Alert("feed_empty/odds", "warning", "the odds feed is empty"), ["log", "pager"])
alerts.send(Alert("feed_empty/odds", "critical", "the odds feed is empty still"), ["log", "pager"])
assert told == ["alert (warning): the odds feed is empty", "alert (critical): the odds feed is empty still"]
