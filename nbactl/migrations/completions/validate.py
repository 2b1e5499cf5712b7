"""Validate: compare every batch, compare again what differs, report what still differs (invariant 3)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import BATCHES
from nbactl.errors import UnavailableError
from nbactl.migrations.completions.compare import compare, union
from nbactl.migrations.completions.selection import Selection, next_chunk, number_of_batches
from nbactl.migrations.model import Validation
from nbactl.migrations.work import Meter
from nbactl.ports.documents import Filter, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core.completions.stages import CompletionStage
    from nbactl.migrations.completions.compare import BatchComparison, Findings
    from nbactl.migrations.work import MigrationWork, ProgressEvent
    from nbactl.ports.documents import DocumentStore, Snapshot

_MODULUS: Final = 2**256
_SUSPECTS_AT_ONCE: Final = 20
_MOST_TRIES: Final = 400


@dataclass(slots=True)
class Tally:
    """What was compared so far. `digest` is the sum of the batches' digests."""

    batches: int = 0
    completions: int = 0
    digest: int = 0
    suspects: list[str] = field(default_factory=list)

    def add(self, comparison: BatchComparison) -> None:
        """Add a batch that was read for the first time; one that differs is counted when it is read again."""
        if comparison.findings:
            self.suspects.append(comparison.batch.document.id)
        else:
            self.count(comparison)

    def count(self, comparison: BatchComparison) -> None:
        """Count a batch as it was read."""
        self.batches += 1
        self.completions += len(comparison.completed | comparison.batch.players)
        self.digest = (self.digest + comparison.digest) % _MODULUS


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What a validation found. `inconsistent`: the batches with findings, as they were read the second time."""

    stage: CompletionStage
    selection: Selection
    validation: Validation
    findings: Findings
    inconsistent: tuple[BatchComparison, ...]

    @property
    def consistent(self) -> bool:
        """Whether both sides agree in every batch that was compared; never if none was."""
        return self.validation.batches > 0 and not self.findings

    @property
    def complete(self) -> bool:
        """Whether every batch was compared, as a gate requires."""
        return self.selection.is_all


class Validator:
    """Compares array and subcollection at one moment; changes no batch.

    Batches that differ are compared again `second_look` seconds later. `retry_pause` is how often, in seconds, it is
    checked whether the store shows such a moment. `observe` is called after each chunk.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        observe: Callable[[ProgressEvent], None],
        second_look: float,
        retry_pause: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe
        self._second_look = timedelta(seconds=second_look)
        self._retry_pause = retry_pause

    def run(self, stage: CompletionStage, selection: Selection, check: Callable[[], None]) -> ValidationReport:
        """Validate without recording progress; `check` may raise between two chunks."""
        began = self._clock.now()
        tally, after = Tally(), None
        meter, more = self._meter(selection, 0), True
        while more:
            check()
            after, more = self._chunk(stage, selection, after, tally)
            self._observe(meter.at(tally.batches + len(tally.suspects), {"suspects": len(tally.suspects)}))
        return self._report(stage, selection, began, tally, check)

    def run_recorded(
        self, work: MigrationWork, stage: CompletionStage, selection: Selection, *, young: float
    ) -> ValidationReport:
        """Validate with a checkpoint per chunk; resumes a validation that began within the last `young` seconds."""
        fresh = {"after": None, "more": True, "batches": 0, "completions": 0, "digest": f"{0:x}"}
        checkpoint = work.begin("validate", str(selection), cursor=fresh, young=young)
        cursor = checkpoint.cursor
        suspects = [name for chunk in work.record.chunks(checkpoint) for name in chunk.data["suspects"]]
        tally = Tally(cursor["batches"], cursor["completions"], int(cursor["digest"], 16))
        after, more = cursor["after"], cursor["more"]
        meter = self._meter(selection, tally.batches + len(suspects))
        while more:
            work.wait_if_paused(meter)
            reach("migration.before_chunk")
            after, more = self._chunk(stage, selection, after, tally)
            found, tally.suspects = tally.suspects, []
            suspects += found
            cursor = {
                "after": after,
                "more": more,
                "batches": tally.batches,
                "completions": tally.completions,
                "digest": f"{tally.digest:x}",
            }
            checkpoint = work.save(checkpoint, cursor, {"suspects": found, "after": after})
            self._observe(meter.at(tally.batches + len(suspects), {"suspects": len(suspects)}))
        tally.suspects = suspects
        report = self._report(stage, selection, checkpoint.started_at, tally, work.check)
        reach("migration.validated")
        return report

    def active(self, stage: CompletionStage) -> ValidationReport:
        """Validate the batches in progress."""
        began, tally, names = self._clock.now(), Tally(), []
        with self._store.snapshot() as snapshot:
            for document in snapshot.query(Query(BATCHES, filters=(Filter("is_complete", "==", value=False),))):
                names.append(document.id)
                tally.add(compare(snapshot, document, stage))
        return self._report(stage, Selection(tuple(names)), began, tally, lambda: None)

    def _again(
        self, stage: CompletionStage, names: Iterable[str], check: Callable[[], None]
    ) -> Iterator[BatchComparison]:
        """Compare these batches again at a later moment by the store's clock; deleted ones are left out."""
        wanted = sorted(set(names))
        if not wanted:
            return
        with self._store.snapshot() as snapshot:
            earliest = snapshot.read_time + self._second_look
        for start in range(0, len(wanted), _SUSPECTS_AT_ONCE):
            check()
            paths = [f"{BATCHES}/{name}" for name in wanted[start : start + _SUSPECTS_AT_ONCE]]
            with self._not_before(earliest, check) as snapshot:
                for document in snapshot.get_all(paths):
                    if document is not None:
                        yield compare(snapshot, document, stage)

    def _chunk(
        self, stage: CompletionStage, selection: Selection, after: str | None, tally: Tally
    ) -> tuple[str | None, bool]:
        """Compare a chunk."""
        with self._store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, selection, after, snapshot.read_time)
            for document in chunk.documents:
                tally.add(compare(snapshot, document, stage))
        return chunk.after, chunk.more

    def _report(
        self,
        stage: CompletionStage,
        selection: Selection,
        began: datetime,
        tally: Tally,
        check: Callable[[], None],
    ) -> ValidationReport:
        inconsistent = []
        for comparison in self._again(stage, tally.suspects, check):
            tally.count(comparison)
            if comparison.findings:
                inconsistent.append(comparison)
        findings = union(comparison.findings for comparison in inconsistent)
        validation = Validation(
            at=began,
            finished_at=self._clock.now(),
            stage=stage.value,
            consistent=not findings,
            digest=f"{tally.digest:064x}",
            batches=tally.batches,
            completions=tally.completions,
            findings=len(findings),
        )
        return ValidationReport(stage, selection, validation, findings, tuple(inconsistent))

    @contextmanager
    def _not_before(self, earliest: datetime, check: Callable[[], None]) -> Iterator[Snapshot]:
        """Open a snapshot that is not older than `earliest` by the store's clock."""
        for _ in range(_MOST_TRIES):
            with self._store.snapshot() as snapshot:
                if snapshot.read_time >= earliest:
                    yield snapshot
                    return
            check()
            self._clock.sleep(self._retry_pause)
        raise UnavailableError(
            "the document store keeps returning the same moment",
            cause="Batches that differ are compared a second time, later by the store's own clock.",
            next_step="Check the clocks of this machine and of the store.",
        )

    def _meter(self, selection: Selection, done: int) -> Meter:
        return Meter(self._clock, "validate", "comparing", done=done, total=number_of_batches(self._store, selection))
