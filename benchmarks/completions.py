"""Recording one more completion in a batch that has 10², 10³, 10⁴ or 10⁵: it must cost the same."""

from __future__ import annotations

import random
import tempfile
import time
import uuid
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Line
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core.bulk import BulkWriter
from nbactl.core.clock import SystemClock
from nbactl.core.completions.documents import completion_path
from nbactl.core.completions.mode import mode_of
from nbactl.core.completions.stages import Stage
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.gamedate import GameDate
from nbactl.core.retry import RetryPolicy
from nbactl.ports.documents import Create, Update
from nbactl.testing import emulator_documents
from nbactl.testing.emulators import firestore_emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import DocumentStore

SIZES = (100, 1_000, 10_000, 100_000)
ROUNDS = 60
"""Completions recorded at each size, in turns between the sizes."""
RETRY = RetryPolicy("bench", attempts=6, base=0.1, cap=5.0)


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    with tempfile.TemporaryDirectory() as folder:
        store: DocumentStore = SqliteDocuments(Path(folder) / "d.db", clock=SystemClock(), busy_timeout=10.0)
        yield from _recording("SQLite", store, ROUNDS * runs)
        with firestore_emulator(Path(folder) / "emulator") as address:
            yield from _recording("emulator", emulator_documents(address, f"b-{uuid.uuid4().hex[:12]}"), ROUNDS * runs)


def _recording(engine: str, store: DocumentStore, rounds: int) -> Iterator[Line]:
    mode = mode_of(Stage.CLEANED, {})
    tracker = CompletionTracker(
        store,
        SystemClock(),
        mode=lambda: mode,
        acting=30.0,
        retry=RETRY,
        rng=random.Random(1),  # noqa: S311 - pauses
    )
    for size in SIZES:
        _fill(store, tracker, size)
    taken: dict[int, list[float]] = {size: [] for size in SIZES}
    for number in range(-rounds // 5, rounds):  # the first fifth warms up
        for size in SIZES:
            began = time.perf_counter()
            tracker.record_completion(f"batch-{size}", f"late-{number}", 25)
            if number >= 0:
                taken[size].append(time.perf_counter() - began)
    store.close()
    typical = {size: median(times) for size, times in taken.items()}
    for size in SIZES:
        yield Line(f"completion {size:,}+1, {engine}", typical[size] * 1e3, "ms", None)
    note = f"{SIZES[-1]:,} beside {SIZES[0]:,}"
    yield Line(f"completion N+1, {engine}", typical[SIZES[-1]] / typical[SIZES[0]], "x", 1.3, note)


def _fill(store: DocumentStore, tracker: CompletionTracker, size: int) -> None:
    """Make a batch that has `size` completions."""
    batch = f"batch-{size}"
    tracker.create_batch(batch, GameDate(date(2024, 1, 15)), 10 * size, batch)
    bulk = BulkWriter(store, retry=RETRY, clock=SystemClock(), rng=random.Random(1))  # noqa: S311 - pauses
    players = (f"player-{number:06}" for number in range(size))
    writes = (
        Create(completion_path(batch, player), {"player_lookup": player, "predictions_count": 25}) for player in players
    )
    for result in bulk.write_all(writes):
        if result.error is not None:
            raise result.error
    store.commit([Update(f"prediction_batches/{batch}", {"completed_count": size, "total_predictions": 25 * size})])
