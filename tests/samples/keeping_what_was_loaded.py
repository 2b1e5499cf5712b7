"""docs/library.md"""

from nbactl.core.calls.cache import TtlCache
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock

clock = FakeClock()
schedules: TtlCache[str, list[str]] = TtlCache("schedules", clock, ttl=600.0, max_size=100, stale_for=3600.0)
loads: list[str] = []


def load() -> list[str]:
    loads.append("load")
    if len(loads) > 1:
        raise UnavailableError("the league does not answer")
    return ["BOS-LAL"]


assert schedules.get("2024-01-15", load) == ["BOS-LAL"]
assert schedules.get("2024-01-15", load) == ["BOS-LAL"]
assert len(loads) == 1
clock.advance(600.0)
assert schedules.get("2024-01-15", load) == ["BOS-LAL"]  # for an hour, while its load fails with transient errors
assert len(loads) == 2
