"""docs/library.md"""

import asyncio

from nbactl.core import Check, GracefulStop, Health
from nbactl.testing import FakeClock

clock = FakeClock()
health = Health([Check("feed", lambda: None, timeout=1.0)], clock=clock, every=15.0)
assert health.unready(health.results()) == ["feed: not checked yet"]

stop = GracefulStop(clock, finish=5.0, let_go=1.0, steps=3.0)
closed: list[str] = []
stop.add("feed", lambda: closed.append("feed"))
asyncio.run(stop.run())
assert (stop.is_stopping, closed) == (True, ["feed"])
