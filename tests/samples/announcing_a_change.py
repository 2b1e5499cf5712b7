"""docs/library.md"""

from nbactl.core import AlreadyExistsError, Create, Outbox
from nbactl.testing import FakeClock, memory_bus, memory_documents

clock = FakeClock()
store = memory_documents(clock)
bus = memory_bus(clock, "nba-phase3-analytics-complete")
outbox = Outbox(store, bus, clock, redrive_after=120.0, keep=7 * 86400.0)
message = outbox.message("phase3/2024-01-15/1", "nba-phase3-analytics-complete", {"game_date": "2024-01-15"})
store.commit([Create("decisions/phase3", {}), message])
try:
    store.commit([message])  # another process decides the same a moment later
except AlreadyExistsError:
    pass
assert outbox.sweep().published == ("phase3/2024-01-15/1",)
[published] = bus.messages("nba-phase3-analytics-complete")
assert published.attributes["outbox_key"] == "phase3/2024-01-15/1"
