"""A completion tracker on a store, with a look at what is stored beneath.

Each test works on batches of its own, so that an engine may keep its data from test to test.
"""

from __future__ import annotations

import random
import uuid
from datetime import date
from typing import TYPE_CHECKING, Any

from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.batches import Batches
from nbactl.core.completions.reset import Resets
from nbactl.core.completions.stages import mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from nbactl.core.completions.batches import Progress
    from nbactl.core.completions.stages import CompletionStage
    from nbactl.ports.documents import DocumentStore

DAY = GameDate(date(2024, 1, 15))
PATIENT = RetryPolicy("completions", attempts=30, base=0.005, cap=0.5)


class Lab:
    """Trackers at any stage on one store, and batches under new names."""

    def __init__(self, store: DocumentStore) -> None:
        self.store = store

    def tracker(self, stage: CompletionStage, store: DocumentStore | None = None) -> CompletionTracker:
        mode = mode_of(stage, {})
        return CompletionTracker(
            store or self.store, SystemClock(), mode=lambda _: mode, acting=30.0, retry=PATIENT, rng=random.Random(7)
        )

    def batches(self, stage: CompletionStage) -> Batches:
        return Batches(self.store, lambda _: mode_of(stage, {}))

    def resets(self, stage: CompletionStage, store: DocumentStore | None = None) -> Resets:
        clock = SystemClock()
        return Resets(
            store or self.store,
            clock,
            mode=lambda _: mode_of(stage, {}),
            ids=TimeSortedIds(clock),
            retry=PATIENT,
            rng=random.Random(7),
        )

    def batch(self, stage: CompletionStage, expected: int, *, shards: int = 0) -> str:
        batch_id = f"batch-{uuid.uuid4().hex}"
        self.tracker(stage).create_batch(batch_id, DAY, expected, f"corr-{batch_id}", counter_shards=shards)
        return batch_id

    def raw(self, batch_id: str) -> dict[str, Any]:
        document = self.store.get(f"prediction_batches/{batch_id}")
        assert document is not None
        return document.data

    def completions(self, batch_id: str) -> list[str]:
        return list(self.store.list_ids(f"prediction_batches/{batch_id}/completions"))

    def counted(self, batch_id: str) -> tuple[int, int]:
        """Return the counter and the sum of predictions as they are stored, wherever."""
        shards = self.store.query(Query(f"prediction_batches/{batch_id}/counters"))
        documents = [self.raw(batch_id), *(shard.data for shard in shards)]
        return sum(d["completed_count"] for d in documents), sum(d["total_predictions"] for d in documents)

    def progress(self, batch_id: str, stage: CompletionStage) -> Progress:
        return self.tracker(stage).progress(batch_id)
