"""docs/library.md"""

from nbactl.core import LeaseHeldError, Leases, Set, StaleFenceError, Transaction, process_identity
from nbactl.testing import FakeClock, memory_documents

clock = FakeClock()
store = memory_documents(clock)
leases = Leases(store, clock)
stalled = leases.acquire("phase3/2024-01-15", "a process elsewhere", 30.0)
try:
    leases.acquire("phase3/2024-01-15", process_identity("run-1"), 30.0)
except LeaseHeldError as held:
    assert held.details["holder"] == stalled.owner
clock.advance(31.0)
mine = leases.acquire("phase3/2024-01-15", process_identity("run-1"), 30.0)
assert mine.token > stalled.token


def write_late(transaction: Transaction) -> None:
    leases.check(transaction, stalled)
    transaction.write(Set("results/2024-01-15", {"rows": 229}))


try:
    store.transaction(write_late)
except StaleFenceError:
    pass
assert store.get("results/2024-01-15") is None
leases.release(mine)
