"""docs/library.md"""

import asyncio

from nbactl.core import Leases, Set, in_thread
from nbactl.testing import FakeClock, memory_documents

clock = FakeClock()
store = memory_documents(clock)
leases = Leases(store, clock)


async def write_under_lease() -> None:
    lease = await leases.acquire_async("phase3/2024-01-15", "worker", 30.0)
    await in_thread(lambda: store.commit([Set("results/2024-01-15", {"rows": 229})]))
    await leases.release_async(lease)


asyncio.run(write_under_lease())
assert store.get("results/2024-01-15") is not None
