"""docs/library.md"""

from nbactl.core import Alert, AlertBus, Alerts, Outbox, TextChannel
from nbactl.testing import FakeClock, memory_documents

clock = FakeClock()
store = memory_documents(clock)
console: list[str] = []
pages: list[str] = []
kept = {"pager": TextChannel(pages.append)}
outbox = Outbox(store, AlertBus(kept), clock, redrive_after=120.0, keep=86400.0)
direct = {"console": TextChannel(console.append)}
alerts = Alerts(store, outbox, clock, direct=direct, kept=kept, window=3600.0, delivery_timeout=5.0)
for _ in range(3):
    alerts.send(Alert("feed_empty/odds", "warning", "the odds feed is empty"), ["console", "pager"])
alerts.send(Alert("feed_empty/odds", "critical", "the odds feed is still empty"), ["console", "pager"])
assert len(console) == 4
assert pages == ["alert (warning): the odds feed is empty", "alert (critical): the odds feed is still empty"]
