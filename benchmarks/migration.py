"""The completions migration of a batch of 10,000 players: its whole backfill and its whole validation.

Beside them the ways that Google's client offers to copy as many, and the low-level calls that a migration cannot do
without. All in this process, in turns, each in a project of its own: ratios of the same run count, for the emulator
shares the machine.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
import uuid
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import bulk
from benchmarks.measure import Line
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.bulk import BulkWriter
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.documents import batch_path, completions_of
from nbactl.core.lease.leases import Leases
from nbactl.migrations.completions.limits import MigrationLimits
from nbactl.migrations.completions.migration import Caller, CompletionsMigration
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.model import Operator
from nbactl.ports.documents import Create
from nbactl.testing import emulator_documents
from nbactl.testing.emulators import firestore_emulator, missing_for_firestore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.ports.documents import DocumentStore

PLAYERS = 10_000
FEW = 1_000
"""What the slow ways copy; their times are scaled."""
_BATCH = "b"
_AT_ONCE = MigrationLimits(
    settle=0.0,
    max_age=3_600.0,
    reads_bake=0.0,
    cleanup_bake=0.0,
    poll=1.0,
    second_look=1.0,
    recheck=0.1,
    lease_ttl=30.0,
    lease_renew=10.0,
    mark_forgotten=3_600.0,
)


class Migrated:
    """A store with one batch of 10,000 in its array, and its migration under dual-write."""

    def __init__(self, store: DocumentStore, folder: Path) -> None:
        self.store = store
        clock, rng = SystemClock(), random.Random(1)  # noqa: S311 - pauses between tries
        retry = RetryPolicy("firestore", attempts=6, base=0.1, cap=5.0)
        self._migration = CompletionsMigration(
            store,
            clock,
            Leases(store, clock, is_dead=lambda _: False),
            owner=lambda: "bench",
            project="bench",
            limits=_AT_ONCE,
            bulk_writer=lambda _: BulkWriter(store, in_flight=bulk.IN_FLIGHT, retry=retry, clock=clock, rng=rng),
            exports=folder,
        )
        self._caller = Caller(Operator("bench"), lambda _event: None, Cancellation())
        store.commit([Create(batch_path(_BATCH), _batch())])
        self._migration.start_dual_write(self._caller)

    def backfill(self) -> None:
        """Play the whole action: passes until nothing is left, checkpoints, stage."""
        report = self._migration.backfill(Selection(), self._caller)
        if report.counts.created != PLAYERS or report.refused:
            raise RuntimeError(f"{report.counts}")

    def validate(self) -> None:
        """Compare all of it."""
        report = self._migration.validate(Selection(), self._caller)
        if not report.consistent or report.validation.completions != PLAYERS:
            raise RuntimeError(f"{report.validation}")


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite; without the emulator only those of SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _on_sqlite(Path(folder), runs)
        if missing_for_firestore() is None:
            with firestore_emulator(Path(folder) / "emulator") as address:
                os.environ["FIRESTORE_EMULATOR_HOST"] = address
                yield from _on_firestore(address, Path(folder), runs)


def _on_sqlite(folder: Path, runs: int) -> Iterator[Line]:
    costs: dict[str, list[bulk.Cost]] = {"backfill": [], "validate": []}
    for run in range(runs + 1):
        store = SqliteDocuments(folder / f"{run}.db", clock=SystemClock(), busy_timeout=10.0)
        _add(costs, _both(Migrated(store, folder)), counts=run > 0)
        store.close()
    for name, taken in costs.items():
        yield _rate(f"migration: SQLite {name}", taken)


def _on_firestore(address: str, folder: Path, runs: int) -> Iterator[Line]:
    others: dict[str, tuple[Callable[[str, str, int], None], int]] = {
        "sequential set()": (bulk.sequential, FEW),
        "WriteBatch of create()": (bulk.write_batch, PLAYERS),
        "client's BulkWriter, no limit": (bulk.clients_bulk_writer, FEW),
        "low-level BatchWrite": (bulk.low_level, PLAYERS),
        "the same of our documents": (_low_level_copy, PLAYERS),
    }
    costs: dict[str, list[bulk.Cost]] = {name: [] for name in (*others, "backfill", "validate", "RunQuery on __name__")}
    for run in range(runs + 1):
        taken = {name: bulk.cost(way, address, count) for name, (way, count) in others.items()}
        store = emulator_documents(address, f"bench-{uuid.uuid4().hex[:12]}")
        taken |= _both(Migrated(store, folder))
        taken["RunQuery on __name__"] = _timed(partial(_ids, store))
        store.close()
        _add(costs, taken, counts=run > 0)  # the first one warms the emulator up
    for name, of in costs.items():
        yield _rate(f"migration: {name}", of)
    backfill, validate = costs["backfill"], costs["validate"]
    yield Line(
        "migration: backfill / low-level", _ratio(backfill, costs["the same of our documents"]), "x its time", 1 / 0.7
    )
    yield Line(
        "migration: backfill / simpler ones", _ratio(backfill, costs["low-level BatchWrite"]), "x its time", None
    )
    yield Line("migration: backfill / naive", _ratio(backfill, costs["sequential set()"]), "x its time", 0.1)
    yield Line("migration: backfill CPU", median(each.cpu for each in backfill) * 1e6, "µs a document", 30.0)
    yield Line("migration: validate / RunQuery", _ratio(validate, costs["RunQuery on __name__"]), "x its time", 1.5)


def _low_level_copy(address: str, project: str, count: int) -> None:
    """Send the documents of a backfill below the batch they belong to: the floor of what a backfill writes."""
    store = emulator_documents(address, project)
    store.commit([Create(batch_path(_BATCH), _batch())])
    store.close()
    bulk.low_level(address, project, count, collection=completions_of(_BATCH), whole=True)


def _ids(store: DocumentStore) -> int:
    return sum(1 for _ in store.list_ids(completions_of(_BATCH)))


def _both(migrated: Migrated) -> dict[str, bulk.Cost]:
    return {"backfill": _timed(migrated.backfill), "validate": _timed(migrated.validate)}


def _timed(action: Callable[[], object]) -> bulk.Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return bulk.Cost((time.perf_counter() - wall) / PLAYERS, (time.process_time() - cpu) / PLAYERS)


def _add(costs: dict[str, list[bulk.Cost]], taken: dict[str, bulk.Cost], *, counts: bool) -> None:
    for name, cost in taken.items() if counts else ():
        costs[name].append(cost)


def _ratio(ours: list[bulk.Cost], theirs: list[bulk.Cost]) -> float:
    """Return the median of the ratios of one turn each."""
    return median(mine.wall / other.wall for mine, other in zip(ours, theirs, strict=True))


def _rate(name: str, taken: list[bulk.Cost]) -> Line:
    wall, cpu = median(each.wall for each in taken), median(each.cpu for each in taken)
    return Line(name, 1 / wall, "documents/s", None, f"{cpu * 1e6:.0f} µs CPU a document")


def _batch() -> dict[str, Any]:
    return {
        "batch_id": _BATCH,
        "game_date": "2024-01-15",
        "expected_players": PLAYERS,
        "completed_players": [f"player-{number:06}" for number in range(PLAYERS)],
        "completed_count": PLAYERS,
        "failed_players": [],
        "total_predictions": 25 * PLAYERS,
        "is_complete": False,
    }
