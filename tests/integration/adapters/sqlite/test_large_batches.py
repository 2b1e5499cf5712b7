"""Batches of any size: what is told of them is right, and one more completion costs no more than the first."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.documents import completion_document
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.ports.documents import Create, Increment, Update
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore

BATCH = "prediction_batches/b"
NEWER = (CompletionStage.DUAL_WRITE, CompletionStage.READS_SWITCHED, CompletionStage.CLEANED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    store = SqliteDocuments(tmp_path / "documents.db", clock=FakeClock(), busy_timeout=5.0)
    yield store
    store.close()


@pytest.fixture
def at(store: DocumentStore) -> Callable[[CompletionStage], CompletionTracker]:
    def tracker(stage: CompletionStage) -> CompletionTracker:
        mode = mode_of(stage, {})
        return CompletionTracker(
            store, FakeClock(), mode=lambda _: mode, acting=30.0, retry=NO_RETRY, rng=random.Random(1)
        )

    return tracker


@pytest.mark.parametrize(
    ("stage", "size"),
    [
        *((stage, size) for stage in NEWER for size in (1, 258)),
        (CompletionStage.LEGACY, 1),
        (CompletionStage.LEGACY, 258),
    ],
)
def test_a_batch_is_complete_with_its_last_player(
    at: Callable[[CompletionStage], CompletionTracker], stage: CompletionStage, size: int
) -> None:
    tracker = at(stage)
    tracker.create_batch("b", GameDate(date(2024, 1, 15)), size, "corr")
    recorded = [tracker.record_completion("b", f"player{number}", 2) for number in range(size)]
    assert [each.became_complete for each in recorded] == [False] * (size - 1) + [True]
    assert (recorded[-1].progress.completed, recorded[-1].progress.predictions) == (size, 2 * size)


def test_a_huge_batch_counts_and_completes(
    at: Callable[[CompletionStage], CompletionTracker], store: DocumentStore
) -> None:
    size = 40_000
    tracker = at(CompletionStage.CLEANED)
    tracker.create_batch("b", GameDate(date(2024, 1, 15)), size, "corr")
    for begin in range(0, size - 1, 499):
        players = [f"player{number}" for number in range(begin, min(begin + 499, size - 1))]
        counted = Update(
            BATCH, {"completed_count": Increment(len(players)), "total_predictions": Increment(len(players))}
        )
        store.commit([*(Create(f"{BATCH}/completions/{p}", completion_document(p, 1)) for p in players), counted])
    assert not tracker.record_completion("b", "player0", 1).new
    assert (tracker.progress("b").completed, tracker.progress("b").missing) == (size - 1, 1)
    assert tracker.record_completion("b", "last", 1).became_complete
    assert tracker.progress("b").completed == size


def test_a_huge_array_is_read_and_written_while_the_migration_has_not_ended(
    at: Callable[[CompletionStage], CompletionTracker], store: DocumentStore
) -> None:
    at(CompletionStage.LEGACY).create_batch("b", GameDate(date(2024, 1, 15)), 10_002, "corr")
    players = [f"player{number}" for number in range(10_000)]
    store.commit([Update(BATCH, {"completed_players": players, "completed_count": 10_000})])
    assert not at(CompletionStage.DUAL_WRITE).record_completion("b", "player9999", 1).new
    assert at(CompletionStage.LEGACY).record_completion("b", "next", 1).progress.completed == 10_001
    assert at(CompletionStage.DUAL_WRITE).record_completion("b", "last", 1).became_complete
