"""Repair: the plan that makes both sides agree, with the winning side of each change, and its execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import (
    COMPLETED_PLAYERS,
    PREDICTIONS_BY_PLAYER,
    TOTAL_PREDICTIONS,
    TOTAL_PREDICTIONS_SUBCOLL,
    is_count,
)
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import AlreadyExistsError, NotFoundError, PreconditionError
from nbactl.migrations.completions.backfill import creations
from nbactl.migrations.completions.batch import DOCUMENT
from nbactl.migrations.completions.compare import WITHOUT_ARRAY, BatchComparison, compare
from nbactl.migrations.completions.counters import reconcile
from nbactl.migrations.completions.rollback import add_to_array
from nbactl.ports.documents import DELETE_FIELD, MAX_WRITES, Update

if TYPE_CHECKING:
    from nbactl.migrations.completions.batch import Batch
    from nbactl.migrations.completions.export import Export
    from nbactl.ports.documents import DocumentStore, FieldPath, Write

Winner = Literal["array", "subcollection"]
Kind = Literal[
    "create_document", "add_to_array", "set_predictions", "clean_array", "clean_payloads", "set_counter", "set_player"
]
_READS_SUBCOLLECTION: Final = frozenset({CompletionStage.READS_SWITCHED, *WITHOUT_ARRAY})
_BY_HAND: Final = frozenset({"id", "batch_id", "game_date", "counter_shards", "completions", DOCUMENT})


@dataclass(frozen=True, slots=True)
class RepairStep:
    """One change. `winner` is the side that is kept; `overwrites`: a stored value is replaced."""

    batch: str
    kind: Kind
    player: str | None
    winner: Winner
    what: str
    overwrites: bool = False


@dataclass(slots=True)
class RepairPlan:
    """What would be changed, in which batches (paths), and what an operator has to decide."""

    steps: list[RepairStep] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)

    @property
    def overwrites(self) -> bool:
        """Whether a stored value would be replaced."""
        return any(step.overwrites for step in self.steps)

    def add(self, comparison: BatchComparison, stage: CompletionStage) -> None:
        """Add the steps of a batch."""
        steps = plan_batch(comparison, stage)
        if steps:
            self.steps.extend(steps)
            self.paths.append(comparison.batch.path)
        for problem in comparison.findings.unreadable:
            if problem.field in _BY_HAND:
                self.by_hand.append(
                    {"batch": problem.batch, "field": problem.field, "value": problem.value, "reason": problem.reason}
                )


def plan_batch(comparison: BatchComparison, stage: CompletionStage) -> list[RepairStep]:
    """Return the steps that make the sides of a batch agree.

    No completion is ever removed: what either side has, counts. Where payloads differ, the side that readers use in
    this stage wins. Before dual-write there is only the array: its unusable elements are removed.
    """
    batch, findings = comparison.batch, comparison.findings
    steps: list[RepairStep] = []
    if stage is not CompletionStage.LEGACY:
        steps += [
            RepairStep(batch.id, "create_document", missing.player, "array", "gets the missing document")
            for missing in findings.missing
        ]
        steps += [
            RepairStep(batch.id, "add_to_array", extra.player, "subcollection", "is added to the array")
            for extra in findings.extra
        ]
        for different in findings.different:
            winner: Winner = winning_side(stage, different.subcollection)
            value = different.array if winner == "array" else different.subcollection
            loser = different.subcollection if winner == "array" else different.array
            what = f"gets {value} predictions, not {loser!r}"
            steps.append(RepairStep(batch.id, "set_predictions", different.player, winner, what, overwrites=True))
    for problem in findings.unreadable:
        if problem.field == COMPLETED_PLAYERS and stage is not CompletionStage.CLEANED:
            what = f"{problem.value} {problem.reason}".strip()
            steps.append(
                RepairStep(batch.id, "clean_array", None, "subcollection", what, overwrites=bool(problem.value))
            )
        elif problem.field == PREDICTIONS_BY_PLAYER:
            what = f"{problem.value} is removed: {problem.reason}"
            steps.append(RepairStep(batch.id, "clean_payloads", None, "subcollection", what, overwrites=True))
        elif problem.field == "player_lookup":
            what = f"{problem.value} is replaced: {problem.reason}"
            steps.append(RepairStep(batch.id, "set_player", None, "subcollection", what, overwrites=True))
        elif problem.field in {TOTAL_PREDICTIONS, TOTAL_PREDICTIONS_SUBCOLL}:
            what = f"{problem.field} is summed up again"
            steps.append(RepairStep(batch.id, "set_counter", None, "subcollection", what, overwrites=True))
    for drift in findings.counter_drift:
        what = f"the counter is set to {drift.actual}, not {drift.counter!r}"
        steps.append(RepairStep(batch.id, "set_counter", None, "subcollection", what, overwrites=True))
    return steps


def winning_side(stage: CompletionStage, held: object) -> Winner:
    """Return the side whose predictions are kept; never that of a document whose value is not a number."""
    return "subcollection" if stage in _READS_SUBCOLLECTION and is_count(held) else "array"


def compare_live(store: DocumentStore, path: str, stage: CompletionStage) -> BatchComparison | None:
    """Compare a batch as it is now; None if it is gone. Payloads are read as well."""
    document = store.get(path)
    return None if document is None else compare(store, document, stage)


def cleaned_array(batch: Batch, comparison: BatchComparison) -> list[str]:
    """Return the array without its unusable elements, and with every player who has a document."""
    return [*batch.rest, *sorted(comparison.completed - batch.players)]


_TRIES: Final = 10


@dataclass(slots=True)
class RepairResult:
    """What a repair did. `busy`: ids of batches that writers changed on every try, to be repaired again."""

    steps: list[RepairStep] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)


class RepairExecutor:
    """Repairs one batch at a time, as it is now and not as it was planned. What it replaces is saved first."""

    def __init__(self, store: DocumentStore, stage: CompletionStage, export: Export) -> None:
        self._store = store
        self._stage = stage
        self._export = export

    def repair_batch(self, path: str, result: RepairResult) -> None:
        """Repair the batch at `path`; what was done is added to `result`."""
        for _ in range(_TRIES):
            comparison = compare_live(self._store, path, self._stage)
            if comparison is None:
                return  # the batch is gone
            steps = plan_batch(comparison, self._stage)
            if not steps:
                return
            reach("migration.before_repair")
            try:
                self._write(comparison, {step.kind for step in steps})
            except (PreconditionError, NotFoundError):
                continue  # a writer changed it meanwhile: read it again
            result.steps.extend(steps)
            reach("migration.repaired")
            return
        result.busy.append(path.rpartition("/")[2])

    def _write(self, comparison: BatchComparison, kinds: set[str]) -> None:
        batch = comparison.batch
        guarded = self._guarded(comparison, kinds)
        if guarded or "set_counter" in kinds:
            self._export.save([batch.document])
            self._export.save(comparison.documents[player] for player in _replaced(comparison, self._stage))
            reach("migration.repair_saved")
        for start in range(0, len(guarded), MAX_WRITES):
            self._store.commit(guarded[start : start + MAX_WRITES])
        if "create_document" in kinds:
            self._create(comparison)
        if "add_to_array" in kinds and "clean_array" not in kinds:
            add_to_array(self._store, batch, [extra.player for extra in comparison.findings.extra])
        if "set_counter" in kinds and reconcile(self._store, batch.path) is None:
            raise PreconditionError(f"the counter of {batch.id} changed on every try")

    def _create(self, comparison: BatchComparison) -> None:
        writes = list(creations([comparison]))
        for start in range(0, len(writes), MAX_WRITES):
            for result in self._store.batch_write(writes[start : start + MAX_WRITES]):
                if result.error is not None and not isinstance(result.error, AlreadyExistsError):
                    raise result.error

    def _guarded(self, comparison: BatchComparison, kinds: set[str]) -> list[Write]:
        """Return the writes that replace something, that of the batch first, so that a stale read changes nothing."""
        batch, fields = comparison.batch, _batch_fields(comparison, kinds, self._stage)
        writes: list[Write] = []
        if fields:
            writes.append(Update(batch.path, fields, if_updated_at=batch.document.update_time))
        for player in _replaced(comparison, self._stage):
            document = comparison.documents[player]
            changes: dict[FieldPath, Any] = {"player_lookup": player}
            if any(different.player == player for different in comparison.findings.different) and (
                winning_side(self._stage, document.data.get("predictions_count")) == "array"
            ):
                changes["predictions_count"] = batch.payloads[player]
            writes.append(Update(document.path, changes, if_updated_at=document.update_time))
        return writes


def _batch_fields(comparison: BatchComparison, kinds: set[str], stage: CompletionStage) -> dict[FieldPath, Any]:
    batch, data = comparison.batch, comparison.batch.document.data
    fields: dict[FieldPath, Any] = {}
    if "clean_array" in kinds:
        fields[COMPLETED_PLAYERS] = cleaned_array(batch, comparison)
    payloads = data.get(PREDICTIONS_BY_PLAYER)
    if "clean_payloads" in kinds:
        if isinstance(payloads, dict):
            fields |= {
                (PREDICTIONS_BY_PLAYER, key): DELETE_FIELD for key, count in payloads.items() if not is_count(count)
            }
        else:
            fields[PREDICTIONS_BY_PLAYER] = DELETE_FIELD
    if stage is not CompletionStage.LEGACY:
        for different in comparison.findings.different:
            if winning_side(stage, different.subcollection) == "subcollection":
                fields[PREDICTIONS_BY_PLAYER, batch.payload_keys[different.player]] = different.subcollection
    return fields


def _replaced(comparison: BatchComparison, stage: CompletionStage) -> list[str]:
    """Return the players whose documents are changed."""
    wrong = {
        player for player, document in comparison.documents.items() if document.data.get("player_lookup") != player
    }
    if stage is not CompletionStage.LEGACY:
        wrong |= {
            different.player
            for different in comparison.findings.different
            if winning_side(stage, different.subcollection) == "array"
        }
    return sorted(wrong)
