"""Backfill: a document for every player of the array who has none; nothing that is there is ever overwritten."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.errors import AlreadyExistsError, ContentionError
from nbactl.migrations.completions.compare import compare
from nbactl.migrations.completions.counters import reconcile
from nbactl.migrations.completions.selection import CHUNK_PLAYERS, next_chunk, number_of_batches
from nbactl.migrations.progress import Meter
from nbactl.ports.documents import SERVER_TIME, Create

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.completions.stages import CompletionStage
    from nbactl.migrations.completions.compare import Comparison
    from nbactl.migrations.completions.findings import Unreadable
    from nbactl.migrations.completions.selection import Selection
    from nbactl.migrations.work import Work
    from nbactl.ports.documents import DocumentStore, WriteResult

_CHUNK_SECONDS: Final = 5.0
_CHECKED: Final = 100
"""After so many documents each it is looked whether the action has to stop."""
_MAX_PASSES: Final = 50
"""Writers that know only the array and never end would keep a backfill going for ever."""


@dataclass(frozen=True, slots=True)
class BackfillCounts:
    """What a backfill did, over all its passes. `existed`: somebody had created it in the meantime."""

    passes: int = 1
    batches: int = 0
    created: int = 0
    existed: int = 0
    reconciled: int = 0
    refused: int = 0


@dataclass(slots=True)
class BackfillReport:
    """What a backfill did, what was refused, and what in the arrays is no player."""

    scope: str
    counts: BackfillCounts
    refused: list[WriteResult] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


class Backfill:
    """Goes over the batches until a whole pass finds nothing to do.

    A batch whose array did not change since everybody in it was seen to have a document, or was told to have got one,
    is not compared again: its document alone is read. With `rate` (writes a second) chunks are of some seconds.
    """

    def __init__(
        self,
        store: DocumentStore,
        bulk: BulkWriter,
        work: Work,
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
        """Do what is left, a checkpoint a chunk. Raises ContentionError if writers of the array never came to rest."""
        work = self._work
        fresh = {**_plain(BackfillCounts()), "after": None, "more": True, "open": 0, "batches": 0}
        checkpoint = work.begin("backfill", str(self._selection), cursor=fresh)
        cursor = dict(checkpoint.cursor)
        total = number_of_batches(self._store, self._selection)
        while True:
            meter = Meter(work.clock, "backfill", f"pass {cursor['passes']}", done=cursor["batches"], total=total)
            self._refused.clear()
            while cursor["more"]:
                work.may_go_on(meter)
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
                raise _restless(cursor)
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
            unreadable=[problem for each in self._unreadable.values() for problem in each],
        )

    def _chunk(self, cursor: dict[str, Any]) -> dict[str, Any]:
        with self._store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, self._selection, cursor["after"], snapshot.read_time, players=self._at_once)
            compared = [
                compare(snapshot, each, self._stage, payloads=False)
                for each in chunk.documents
                if self._done.get(each.path) != each.update_time
            ]
        created, existed, refused = self._create(compared)
        reconciled = still_open = 0
        for comparison in compared:
            batch, findings = comparison.batch, comparison.findings
            self._unreadable[batch.path] = findings.unreadable
            left = [each for each in findings.missing if batch.completion(each.player) in refused] if refused else []
            if findings.counter_drift:
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

    def _create(self, compared: Sequence[Comparison]) -> tuple[int, int, dict[str, WriteResult]]:
        created = existed = 0
        refused = {}
        for number, result in enumerate(self._bulk.write_all(creations(compared))):
            if number % _CHECKED == 0:
                self._work.check()
            if result.error is None:
                created += 1
            elif isinstance(result.error, AlreadyExistsError):
                existed += 1  # a live writer was faster, or our own answer was lost: it is there
            else:
                refused[result.path] = result
        self._refused |= refused
        return created, existed, refused


def creations(compared: Iterable[Comparison]) -> Iterator[Create]:
    """Yield the documents that the subcollection lacks, to be created only where there is none."""
    for comparison in compared:
        batch = comparison.batch
        data = batch.document.data
        # When a player completed is not on record in the array; this is when it was at the latest.
        ended = data.get("completion_time")
        latest = ended if isinstance(ended, datetime) else batch.document.update_time
        for missing in comparison.findings.missing:
            yield Create(
                batch.completion(missing.player),
                {
                    "player_lookup": missing.player,
                    "completed_at": latest,
                    "predictions_count": batch.payloads.get(missing.player),
                    "backfilled_at": SERVER_TIME,
                },
            )


def _plain(counts: BackfillCounts) -> dict[str, int]:
    return {
        name: getattr(counts, name) for name in ("passes", "batches", "created", "existed", "reconciled", "refused")
    }


def _counts(cursor: Any) -> BackfillCounts:  # noqa: ANN401 - plain data of a checkpoint
    return BackfillCounts(**{name: cursor[name] for name in _plain(BackfillCounts())})


def _progress(cursor: dict[str, Any]) -> dict[str, int]:
    shown = {name: cursor[name] for name in ("created", "existed", "reconciled", "refused")}
    return {name: number for name, number in shown.items() if number or name == "created"}


def _restless(cursor: dict[str, Any]) -> ContentionError:
    return ContentionError(
        f"after {cursor['passes']} passes {cursor['open']} batches still got players that only the array has",
        cause="Writers that do not know of dual-write are at work; every pass finds what they added since the last.",
        next_step="Bring all services to a version that follows the stage, then give the same command again.",
    )
