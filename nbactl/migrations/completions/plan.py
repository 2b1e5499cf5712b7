"""Plan: what the migration would do to the batches as they are now, what it costs, and what stands in its way."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.migrations.completions.batch import read_batch
from nbactl.migrations.completions.prices import COUNTED_AS_ONE_READ, Cost
from nbactl.migrations.completions.risks import risks_of
from nbactl.migrations.completions.selection import next_chunk, number_of_batches
from nbactl.migrations.progress import Meter
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.clock import Clock
    from nbactl.migrations.completions.risks import Risk
    from nbactl.migrations.completions.selection import Selection
    from nbactl.migrations.progress import ProgressEvent
    from nbactl.ports.documents import DocumentStore


@dataclass(slots=True)
class Plan:
    """What was found, and what follows. `to_create` counts array less documents; times are in seconds.

    `rate` is writes a second.
    """

    scope: str
    rate: float
    batches: int = 0
    active: int = 0
    players: int = 0
    documents: int = 0
    to_create: int = 0
    largest: int = 0
    risks: list[Risk] = field(default_factory=list)
    reads_so_far: int = 0

    def costs(self) -> dict[str, Cost]:
        """Return the operations of each action."""
        everything = self.batches + self.documents
        return {
            "plan": Cost(self.reads_so_far, 0),
            # The documents of the batches are read once more, to see that no array changed.
            "backfill": Cost(everything + self.batches, self.to_create + self.batches),
            "validate": Cost(everything + self.to_create, 1),
            "cleanup": Cost(2 * everything + self.to_create, self.batches),
        }

    def seconds(self) -> float:
        """Return how long the backfill's writes take at the rate."""
        return (self.to_create + self.batches) / self.rate

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        total = Cost(0, 0)
        for cost in self.costs().values():
            total += cost
        return {
            "scope": self.scope,
            "batches": self.batches,
            "active_batches": self.active,
            "players_in_arrays": self.players,
            "documents": self.documents,
            "to_create": self.to_create,
            "largest_array": self.largest,
            "operations": {
                name: {"reads": cost.reads, "writes": cost.writes, "usd": round(cost.dollars, 4)}
                for name, cost in {**self.costs(), "total": total}.items()
            },
            "rate": self.rate,
            "backfill_seconds": round(self.seconds(), 1),
            "risks": [asdict(risk) for risk in self.risks],
            "risk_counts": dict(Counter(risk.severity for risk in self.risks)),
        }


def make_plan(
    store: DocumentStore,
    clock: Clock,
    selection: Selection,
    *,
    rate: float,
    array_expected: bool,
    observe: Callable[[ProgressEvent], None],
    check: Callable[[], None],
) -> Plan:
    """Look at every batch, and count its documents without reading them; changes nothing."""
    plan = Plan(str(selection), rate)
    meter = Meter(clock, "plan", "reading", done=0, total=number_of_batches(store, selection))
    after, more = None, True
    while more:
        check()
        with store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, selection, after, snapshot.read_time)
            for document in chunk.documents:
                batch = read_batch(document, array_expected=array_expected)
                there = snapshot.count(Query(batch.completions))
                plan.batches += 1
                plan.active += batch.active
                plan.players += len(batch.players)
                plan.documents += there
                plan.to_create += max(0, len(batch.players) - there)
                plan.largest = max(plan.largest, len(batch.players))
                plan.reads_so_far += 1 + max(1, there // COUNTED_AS_ONE_READ)
                plan.risks.extend(risks_of(batch))
        after, more = chunk.after, chunk.more
        observe(meter.at(plan.batches, {"players": plan.players}))
    return plan
