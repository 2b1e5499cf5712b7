"""Backfill: create a document for every player of the array who has none; never overwrites one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import TOTAL_PREDICTIONS, earlier_completion
from nbactl.errors import AlreadyExistsError, ContentionError
from nbactl.migrations.completions.compare import compare
from nbactl.migrations.completions.counters import reconcile
from nbactl.migrations.completions.selection import CHUNK_PLAYERS, next_chunk, number_of_batches
from nbactl.migrations.work import Meter
from nbactl.ports.documents import Create

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.completions.stages import CompletionStage
    from nbactl.migrations.completions.batch import Unreadable
    from nbactl.migrations.completions.compare import BatchComparison
    from nbactl.migrations.completions.selection import Selection
    from nbactl.migrations.work import MigrationWork
    from nbactl.ports.documents import DocumentStore, WriteResult

_CHUNK_SECONDS: Final = 5.0
_CHECKED: Final = 100
"""Documents between two checks whether the action has to stop."""
_MAX_PASSES: Final = 50
"""Writers that know only the array and never stop would keep a backfill running for ever."""


@dataclass(frozen=True, slots=True)
class BackfillCounts:
    """What a backfill did, over all its passes. `existed`: documents that a writer had created meanwhile."""

    passes: int = 1
    batches: int = 0
    created: int = 0
    existed: int = 0
    reconciled: int = 0
    refused: int = 0


@dataclass(slots=True)
class BackfillReport:
    """What a backfill did, what the store refused, and unusable elements of the arrays."""

    scope: str
    counts: BackfillCounts
    refused: list[WriteResult] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


class Backfill:
    """Repeats passes over the batches until one finds nothing to do.

    A batch that has not changed since all players of its array had a document is not compared again: only its own
    document is read. With `rate` (writes per second) a chunk takes some seconds.
    """

    def __init__(
        self,
        store: DocumentStore,
        bulk: BulkWriter,
        work: MigrationWork,
        stage: CompletionStage,
        selection: Selection,
        *,
        rate: float | None = None,
    ) -> None:
        self._store = store
        self._bulk = bulk
        self._work = work
        self._stage = stage
        self._selection = selection
        self._at_once = CHUNK_PLAYERS if rate is None else max(1, min(CHUNK_PLAYERS, int(rate * _CHUNK_SECONDS)))
        self._refused: dict[str, WriteResult] = {}
        self._done: dict[str, datetime] = {}
        self._unreadable: dict[str, list[Unreadable]] = {}

    def run(self) -> BackfillReport:
        """Do what is left, a checkpoint per chunk. Raises ContentionError if writers of the array never stop."""
        work = self._work
        fresh = {**_plain(BackfillCounts()), "after": None, "more": True, "open": 0, "batches": 0}
        checkpoint = work.begin("backfill", str(self._selection), cursor=fresh)
        cursor = dict(checkpoint.cursor)
        total = number_of_batches(self._store, self._selection)
        while True:
            meter = Meter(work.clock, "backfill", f"pass {cursor['passes']}", done=cursor["batches"], total=total)
            self._refused.clear()
            while cursor["more"]:
                work.wait_if_paused(meter)
                reach("migration.before_chunk")
                cursor = self._chunk(cursor)
                reach("migration.chunk_written")
                checkpoint = work.save(
                    checkpoint, cursor, {"after": cursor["after"], "counts": _plain(_counts(cursor))}
                )
                work.observe(meter.at(cursor["batches"], _progress(cursor)))
            if not cursor["open"]:
                break
            if cursor["passes"] >= _MAX_PASSES:
                raise _still_diverging(cursor)
            cursor |= {
                "passes": cursor["passes"] + 1,
                "after": None,
                "more": True,
                "open": 0,
                "batches": 0,
                "refused": 0,
            }
        reach("migration.backfilled")
        return BackfillReport(
            str(self._selection),
            _counts(cursor),
            refused=list(self._refused.values()),
            unreadable=[problem for problems in self._unreadable.values() for problem in problems],
        )

    def _chunk(self, cursor: dict[str, Any]) -> dict[str, Any]:
        with self._store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, self._selection, cursor["after"], snapshot.read_time, players=self._at_once)
            compared = [
                compare(snapshot, document, self._stage, payloads=False)
                for document in chunk.documents
                if self._done.get(document.path) != document.update_time
            ]
        created, existed, refused = self._create(compared)
        reconciled = still_open = 0
        for comparison in compared:
            batch, findings = comparison.batch, comparison.findings
            self._unreadable[batch.path] = findings.unreadable
            left = [missing for missing in findings.missing if batch.completion(missing.player) in refused]
            if not batch.damaged and (findings.counter_drift or TOTAL_PREDICTIONS not in batch.document.data):
                reconciled += reconcile(self._store, batch.path) is not None
            elif not left:
                self._done[batch.path] = batch.document.update_time
            still_open += len(left) < len(findings.missing) or bool(findings.counter_drift)
        return {
            **cursor,
            "after": chunk.after,
            "more": chunk.more,
            "batches": cursor["batches"] + len(chunk.documents),
            "created": cursor["created"] + created,
            "existed": cursor["existed"] + existed,
            "reconciled": cursor["reconciled"] + reconciled,
            "refused": cursor["refused"] + len(refused),
            "open": cursor["open"] + still_open,
        }

    def _create(self, compared: Sequence[BatchComparison]) -> tuple[int, int, dict[str, WriteResult]]:
        created = existed = 0
        refused = {}
        for number, result in enumerate(self._bulk.write_all(creations(compared))):
            if number % _CHECKED == 0:
                self._work.check()
            if result.error is None:
                created += 1
            elif isinstance(result.error, AlreadyExistsError):
                existed += 1  # a live writer was faster, or our own reply was lost: it exists
            else:
                refused[result.path] = result
        self._refused |= refused
        return created, existed, refused


def creations(compared: Iterable[BatchComparison]) -> Iterator[Create]:
    """Yield writes that create the missing documents of the subcollection."""
    for comparison in compared:
        batch = comparison.batch
        for missing in comparison.findings.missing:
            earlier = earlier_completion(batch.document, missing.player, batch.payloads.get(missing.player))
            yield Create(batch.completion(missing.player), earlier)


def _plain(counts: BackfillCounts) -> dict[str, int]:
    return {
        name: getattr(counts, name) for name in ("passes", "batches", "created", "existed", "reconciled", "refused")
    }


def _counts(cursor: Any) -> BackfillCounts:  # noqa: ANN401 - plain data of a checkpoint
    return BackfillCounts(**{name: cursor[name] for name in _plain(BackfillCounts())})


def _progress(cursor: dict[str, Any]) -> dict[str, int]:
    shown = {name: cursor[name] for name in ("created", "existed", "reconciled", "refused")}
    return {name: number for name, number in shown.items() if number or name == "created"}


def _still_diverging(cursor: dict[str, Any]) -> ContentionError:
    return ContentionError(
        f"after {cursor['passes']} passes {cursor['open']} batches still get players that only the array has",
        cause="Some writers do not follow the stage; each pass finds what they added since the last one.",
        next_step="Update all services to a version that follows the stage, then run the same command again.",
    )
