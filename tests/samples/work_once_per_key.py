"""docs/library.md"""

from nbactl.core import ClaimSettings, Create, Idempotency, current_claim, process_identity
from nbactl.testing import FakeClock, SequentialIds, memory_documents

clock = FakeClock()
store = memory_documents(clock)
terms = ClaimSettings(lease=60.0, renew_every=20.0, keep=7 * 86400.0)
once = Idempotency(store, clock, SequentialIds(), owner=lambda: process_identity("worker"), terms=terms)


@once.once(key=lambda batch, player: f"{batch}/{player}")
def predict(batch: str, player: str) -> float:
    current_claim().write(Create(f"predictions/{player}", {"points": 25.5}))
    return 25.5


assert predict("batch-1", "lebronjames") == 25.5
assert predict("batch-1", "lebronjames") == 25.5  # replayed; a second Create would have failed
once.close()
