"""docs/library.md"""

from nbactl.core import TtlCache
from nbactl.testing import FakeClock

clock = FakeClock()
schedules: TtlCache[str, list[str]] = TtlCache("schedules", clock, ttl=600.0, max_size=100)
loads: list[str] = []


def load() -> list[str]:
    loads.append("load")
    return ["BOS-LAL"]


for _ in range(3):
    assert schedules.get("2024-01-15", load) == ["BOS-LAL"]
assert len(loads) == 1
clock.advance(600.0)
schedules.get("2024-01-15", load)
assert len(loads) == 2
