"""A completion is recorded over a network that loses requests and answers: it counts once, whatever came back."""

from __future__ import annotations

import random
import uuid
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.ports.documents import Query
from nbactl.testing import emulator_documents
from nbactl.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

QUICK = RetryPolicy("quick", attempts=6, base=0.02, cap=0.1)
STAGES = [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.READS_SWITCHED, CompletionStage.CLEANED]


def tracker(store: DocumentStore, stage: CompletionStage) -> CompletionTracker:
    return CompletionTracker(
        store, SystemClock(), mode=lambda _: mode_of(stage, {}), acting=30.0, retry=QUICK, rng=random.Random(stage)
    )


@pytest.mark.parametrize("stage", STAGES)
def test_inv_01_a_completion_counts_once_whichever_request_or_answer_is_lost(
    firestore_address: str, stage: CompletionStage
) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    truth = emulator_documents(firestore_address, project)
    with FaultProxy(firestore_address) as proxy:
        store = emulator_documents(proxy.address, project, retry=QUICK, call=5.0)
        for number in range(1, 6):  # look, commit, look, finish, look
            for kind, break_it in (("answer", proxy.drop_answer), ("request", proxy.lose_request)):
                batch = f"{kind}-{number}"
                tracker(truth, stage).create_batch(batch, GameDate(date(2024, 1, 15)), 1, "corr")
                break_it(number)
                recorded = tracker(store, stage).record_completion(batch, "a", 5)
                assert (recorded.progress.completed, recorded.progress.predictions) == (1, 5)
                assert recorded.progress.is_complete
                data = truth.get(f"prediction_batches/{batch}")
                assert data is not None
                assert (data.data["completed_count"], data.data["total_predictions"]) == (1, 5)
                documents = truth.count(Query(f"prediction_batches/{batch}/completions"))
                assert documents == (0 if stage is CompletionStage.LEGACY else 1)
        store.close()
    truth.close()
