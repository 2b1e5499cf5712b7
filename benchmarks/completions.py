"""Recording one completion more in batches of 100 to 100,000, on SQLite and on Firestore's emulator.

Beside it what old code did: one update with an array union, which reads and writes all who came before; and what a
look into the array costs after the switch, where the array is still written: the same completions as before it.
All sizes in one process, call by call: ratios of the same run count.
"""

from __future__ import annotations

import random
import tempfile
import time
import uuid
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Line
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.documents import batch_path, completion_document, completion_path
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.ports.documents import ArrayUnion, Create, Increment, Update
from nbactl.testing import emulator_documents
from nbactl.testing.emulators import firestore_emulator, missing_for_firestore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbactl.ports.documents import DocumentStore

SIZES = (100, 1_000, 10_000, 100_000)
ARRAY_SIZES = (100, 1_000, 10_000)
CALLS = 40
"""Completions of each size in a run."""
CHUNK = 500
FLAT = 1.3
"""What TARGETS allows between the cheapest and the dearest size."""


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite; without the emulator only those of SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        store: DocumentStore = SqliteDocuments(Path(folder) / "d.db", clock=SystemClock(), busy_timeout=10.0)
        yield from _lines("SQLite", store, runs)
        store.close()
        if missing_for_firestore() is None:
            with firestore_emulator(Path(folder) / "emulator") as address:
                store = emulator_documents(address, f"bench-{uuid.uuid4().hex[:12]}")
                yield from _lines("Firestore", store, runs)
                store.close()


def _lines(engine: str, store: DocumentStore, runs: int) -> Iterator[Line]:
    mode = mode_of(CompletionStage.CLEANED, {})
    rng = random.Random(1)  # noqa: S311 - pauses
    tracker = CompletionTracker(store, SystemClock(), mode=lambda _: mode, acting=60.0, retry=NO_RETRY, rng=rng)
    for size in SIZES:
        _fill(store, tracker, size)
    for size in ARRAY_SIZES:
        players = [_player(number) for number in range(size)]
        store.commit([Create(f"arrays/{size}", {"completed_players": players, "completed_count": size})])

    def record(size: int, player: str) -> None:
        tracker.record_completion(_batch(size), player, 25)

    def append(size: int, player: str) -> None:
        old: dict[Any, Any] = {"completed_players": ArrayUnion((player,)), "completed_count": Increment(1)}
        store.commit([Update(f"arrays/{size}", old)])

    with_array = {
        stage: _with_array(store, stage) for stage in (CompletionStage.VALIDATED, CompletionStage.READS_SWITCHED)
    }

    ours = _medians(record, SIZES, runs)
    theirs = _medians(append, ARRAY_SIZES, runs)
    yield Line(
        f"completions: {engine}", max(ours.values()) / min(ours.values()), "x from 1e2 to 1e5", FLAT, _told(ours)
    )
    yield Line(
        f"array union: {engine}", max(theirs.values()) / min(theirs.values()), "x from 1e2 to 1e4", None, _told(theirs)
    )
    before, after = (_medians(call, ARRAY_SIZES, runs) for call in with_array.values())
    dearest = max(after[size] / before[size] for size in ARRAY_SIZES)
    yield Line(f"after the switch: {engine}", dearest, "x of before it", None, _told(after))


def _with_array(store: DocumentStore, stage: CompletionStage) -> Callable[[int, str], None]:
    """Return what records in batches that have their array, at a stage that writes it."""
    mode, rng = mode_of(stage, {}), random.Random(1)  # noqa: S311 - pauses
    tracker = CompletionTracker(store, SystemClock(), mode=lambda _: mode, acting=60.0, retry=NO_RETRY, rng=rng)
    for size in ARRAY_SIZES:
        batch = f"{stage}-{size}"
        tracker.create_batch(batch, GameDate(date(2024, 1, 15)), 2 * size + 1_000_000, "bench")
        players = [_player(number) for number in range(size)]
        store.commit([Update(batch_path(batch), {"completed_players": players, "completed_count": size})])

    def record(size: int, player: str) -> None:
        tracker.record_completion(f"{stage}-{size}", player, 25)

    return record


def _medians(call: Callable[[int, str], None], sizes: Sequence[int], runs: int) -> dict[int, float]:
    """Return the median seconds of a call at each size; in a new order each time, for the one before may be felt."""
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    order, rng = list(sizes), random.Random(1)  # noqa: S311 - an order
    for number in range((runs + 1) * CALLS):
        rng.shuffle(order)
        for size in order:
            began = time.perf_counter()
            call(size, f"new-{number}")
            taken[size].append(time.perf_counter() - began)
    return {size: median(times[CALLS:]) for size, times in taken.items()}  # the first ones warm up


def _fill(store: DocumentStore, tracker: CompletionTracker, size: int) -> None:
    batch = _batch(size)
    tracker.create_batch(batch, GameDate(date(2024, 1, 15)), 2 * size + 1_000_000, "bench")
    for start in range(0, size, CHUNK):
        players = [_player(number) for number in range(start, min(size, start + CHUNK))]
        store.batch_write([Create(completion_path(batch, each), completion_document(each, 25)) for each in players])
    store.commit([Update(batch_path(batch), {"completed_count": size, "total_predictions": 25 * size})])


def _batch(size: int) -> str:
    return f"batch-{size}"


def _player(number: int) -> str:
    return f"player-{number:06}"


def _told(seconds: dict[int, float]) -> str:
    return ", ".join(f"{size:,}: {value * 1e3:.2f} ms" for size, value in seconds.items())
