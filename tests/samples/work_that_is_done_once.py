"""docs/library.md"""

from nbactl.core.lease.holder import is_dead, process_owner
from nbactl.core.once.claim import current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.core.once.claim import ClaimSettings
from nbactl.ports.documents import Create
from nbactl.testing import FakeClock, SequentialIds, memory_documents

clock = FakeClock()
store = memory_documents(clock)
terms = ClaimSettings(lease=60.0, renew_every=20.0, keep=7 * 86400.0)
once = Idempotency(store, clock, SequentialIds(), owner=process_owner("worker"), terms=terms, is_dead=is_dead)


@once.once(key=lambda batch, player: f"{batch}/{player}")
def predict(batch: str, player: str) -> float:
    current_claim().write(Create(f"predictions/{player}", {"points": 25.5}))
    return 25.5


assert predict("batch-1", "lebronjames") == 25.5
assert predict("batch-1", "lebronjames") == 25.5  # replayed; a second Create would have failed
once.close()
