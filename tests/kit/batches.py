"""Prediction batches in the document store of a state directory."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker

if TYPE_CHECKING:
    from pathlib import Path

DAY = GameDate(date(2025, 1, 6))


def open_documents(state: Path) -> SqliteDocuments:
    return SqliteDocuments(state / "documents.db", clock=SystemClock(), busy_timeout=20.0)


def add_batch(state: Path, batch_id: str, *, completed: int, failed: int = 0, expected: int = 4) -> None:
    """Add a batch of `expected` players: p0, p1, … completed, f0, f1, … failed."""
    store, clock = open_documents(state), SystemClock()
    tracker = CompletionTracker(
        store,
        clock,
        mode=lambda _: mode_of(CompletionStage.LEGACY, {}),
        acting=30.0,
        retry=NO_RETRY,
        rng=random.Random(1),
    )
    tracker.create_batch(batch_id, DAY, expected, f"corr-{batch_id}")
    for number in range(completed):
        tracker.record_completion(batch_id, f"p{number}", 3)
    for number in range(failed):
        tracker.record_failure(batch_id, f"f{number}")
    store.close()
