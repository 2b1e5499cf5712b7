"""Repair: a plan of what makes both sides agree, the winning side stated, and its execution batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.completions.documents import (
    COMPLETED_PLAYERS,
    PREDICTIONS_BY_PLAYER,
    TOTAL_PREDICTIONS,
)
from nbactl.core.completions.stages import Stage
from nbactl.migrations.completions.batch import is_count
from nbactl.migrations.completions.compare import WITHOUT_ARRAY, Comparison, compare

if TYPE_CHECKING:
    from nbactl.migrations.completions.batch import Batch
    from nbactl.ports.documents import DocumentStore

Winner = Literal["array", "subcollection"]
Kind = Literal[
    "create_document", "add_to_array", "set_predictions", "clean_array", "clean_payloads", "set_counter", "set_player"
]
_READS_SUBCOLLECTION: Final = frozenset({Stage.READS_SWITCHED, *WITHOUT_ARRAY})
_BY_HAND: Final = frozenset({"id", "batch_id", "game_date", "counter_shards", "completions"})


@dataclass(frozen=True, slots=True)
class RepairStep:
    """One change. `winner` is the side that is believed; `overwrites`: something that is there is replaced."""

    batch: str
    kind: Kind
    player: str | None
    winner: Winner
    what: str
    overwrites: bool = False


@dataclass(slots=True)
class RepairPlan:
    """What would be changed, in which batches (paths), and what only a person can decide."""

    steps: list[RepairStep] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)

    @property
    def overwrites(self) -> bool:
        """Whether anything that is there would be replaced."""
        return any(step.overwrites for step in self.steps)

    def take(self, comparison: Comparison, stage: Stage) -> None:
        """Add what a batch needs."""
        steps = plan_batch(comparison, stage)
        if steps:
            self.steps.extend(steps)
            self.paths.append(comparison.batch.path)
        for problem in comparison.findings.unreadable:
            if problem.field in _BY_HAND:
                self.by_hand.append(
                    {"batch": problem.batch, "field": problem.field, "value": problem.value, "reason": problem.reason}
                )


def plan_batch(comparison: Comparison, stage: Stage) -> list[RepairStep]:
    """Return what makes the sides of a batch agree.

    Nobody is ever taken out: a completion that either side has is one. Where payloads differ, the side that readers
    read in this stage wins. Before dual-write began there are no two sides: only the array itself is put in order.
    """
    batch, findings = comparison.batch, comparison.findings
    steps: list[RepairStep] = []
    if stage is not Stage.LEGACY:
        steps += [
            RepairStep(batch.id, "create_document", each.player, "array", "gets the document that it lacks")
            for each in findings.missing
        ]
        steps += [
            RepairStep(batch.id, "add_to_array", each.player, "subcollection", "is put into the array")
            for each in findings.extra
        ]
        for different in findings.different:
            winner: Winner = winning_side(stage, different.subcollection)
            value = different.array if winner == "array" else different.subcollection
            loser = different.subcollection if winner == "array" else different.array
            what = f"has {value} predictions, not {loser!r}"
            steps.append(RepairStep(batch.id, "set_predictions", different.player, winner, what, overwrites=True))
    for problem in findings.unreadable:
        if problem.field == COMPLETED_PLAYERS and stage is not Stage.CLEANED:
            what = f"{problem.value} {problem.reason}".strip()
            steps.append(
                RepairStep(batch.id, "clean_array", None, "subcollection", what, overwrites=bool(problem.value))
            )
        elif problem.field == PREDICTIONS_BY_PLAYER:
            what = f"{problem.value} is taken out: {problem.reason}"
            steps.append(RepairStep(batch.id, "clean_payloads", None, "subcollection", what, overwrites=True))
        elif problem.field == "player_lookup":
            what = f"{problem.value} is replaced: {problem.reason}"
            steps.append(RepairStep(batch.id, "set_player", None, "subcollection", what, overwrites=True))
        elif problem.field == TOTAL_PREDICTIONS:
            what = "total_predictions is summed up again"
            steps.append(RepairStep(batch.id, "set_counter", None, "subcollection", what, overwrites=True))
    for drift in findings.counter_drift:
        what = f"the counter becomes {drift.actual}, not {drift.counter!r}"
        steps.append(RepairStep(batch.id, "set_counter", None, "subcollection", what, overwrites=True))
    return steps


def winning_side(stage: Stage, held: object) -> Winner:
    """Return the side whose predictions are believed; a document that holds no number is never."""
    return "subcollection" if stage in _READS_SUBCOLLECTION and is_count(held) else "array"


def compare_live(store: DocumentStore, path: str, stage: Stage) -> Comparison | None:
    """Compare a batch as it is now; None if it is gone. Payloads are read as well."""
    document = store.get(path)
    return None if document is None else compare(store, document, stage)


def cleaned_array(batch: Batch, comparison: Comparison) -> list[str]:
    """Return the array with what is no player taken out, and everybody in it who has a document."""
    return [*batch.rest, *sorted(comparison.completed - batch.players)]
