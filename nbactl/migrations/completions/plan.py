"""Plan: what the migration would do to the batches as they are now, what it costs, and the risks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.completions.documents import COMPLETED_PLAYERS
from nbactl.migrations.completions.batch import read_batch
from nbactl.migrations.completions.selection import next_chunk, number_of_batches
from nbactl.migrations.work import Meter
from nbactl.ports.document_rules import MAX_DOCUMENT_BYTES, document_bytes
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.core._support.clock import Clock
    from nbactl.migrations.completions.batch import Batch
    from nbactl.migrations.completions.selection import Selection
    from nbactl.migrations.work import ProgressEvent
    from nbactl.ports.documents import DocumentStore

# List prices of the multi-region nam5 in US dollars for 100,000 documents, without the daily free quota
# (https://cloud.google.com/firestore/pricing). Single regions such as us-west2 are cheaper, so the price shown is the
# most it can be.
PER_100K_READS: Final = 0.06
PER_100K_WRITES: Final = 0.18
_UNIT: Final = 100_000
COUNTED_AS_ONE_READ: Final = 1_000
"""Index entries that an aggregation counts for the price of one read."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Document operations of one action."""

    reads: int
    writes: int

    @property
    def dollars(self) -> float:
        """The price in US dollars."""
        return (self.reads * PER_100K_READS + self.writes * PER_100K_WRITES) / _UNIT

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.reads + other.reads, self.writes + other.writes)


MAX_INDEX_ENTRIES: Final = 40_000
"""Index entries that one document may have (Firestore, "Usage and limits")."""
_NEAR: Final = 0.8


@dataclass(frozen=True, slots=True)
class Risk:
    """Something about a batch that an operator should know. `used` is the used share of a limit, if there is one."""

    batch: str
    kind: Literal["document_size", "index_entries", "unreadable", "active"]
    severity: Literal["info", "warning", "critical"]
    message: str
    used: float | None = None


def risks_of(batch: Batch) -> Iterator[Risk]:
    """Yield the risks of a batch."""
    size = document_bytes(batch.path, batch.document.data)
    entries = index_entries(batch.document.data)
    yield from _limit(batch, "document_size", size, MAX_DOCUMENT_BYTES, f"{size:,} of {MAX_DOCUMENT_BYTES:,} bytes")
    text = f"{entries:,} of {MAX_INDEX_ENTRIES:,} index entries"
    yield from _limit(batch, "index_entries", entries, MAX_INDEX_ENTRIES, text)
    if batch.problems:
        first, more = batch.problems[0], len(batch.problems) - 1
        text = f"{first.field} {first.value} {first.reason}".replace("  ", " ") + (
            f" (and {more} more)" if more else ""
        )
        yield Risk(batch.id, "unreadable", "warning", text)
    if batch.active:
        yield Risk(batch.id, "active", "info", "is not complete: writers are active on it")


def index_entries(data: dict[str, Any]) -> int:
    """Return how many index entries a document has with Firestore's automatic indexes alone.

    A field has two (ascending and descending), every distinct element of an array one, a map those of its fields.
    """
    return sum(_entries(value) for value in data.values())


def _entries(value: object) -> int:
    if isinstance(value, list):
        return len({repr(element) for element in value})
    if isinstance(value, dict):
        return sum(_entries(item) for item in value.values())
    return 2


def _limit(
    batch: Batch, kind: Literal["document_size", "index_entries"], found: int, limit: int, text: str
) -> Iterator[Risk]:
    used = found / limit
    if used < _NEAR:
        return
    array = len(batch.players)
    over = used >= 1
    tail = "Firestore refuses the next completion" if over else "the array is almost full"
    yield Risk(
        batch.id,
        kind,
        "critical" if over else "warning",
        f"{COMPLETED_PLAYERS} has {array:,} players: {text}; {tail}",
        round(used, 3),
    )


@dataclass(slots=True)
class MigrationPlan:
    """What was found, and what follows from it. `to_create`: players of arrays without a document.

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


def make_plan(
    store: DocumentStore,
    clock: Clock,
    selection: Selection,
    *,
    rate: float,
    array_expected: bool,
    observe: Callable[[ProgressEvent], None],
    check: Callable[[], None],
) -> MigrationPlan:
    """Read every batch and count its documents without reading them; changes nothing."""
    plan = MigrationPlan(str(selection), rate)
    meter = Meter(clock, "plan", "reading", done=0, total=number_of_batches(store, selection))
    after, more = None, True
    while more:
        check()
        with store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, selection, after, snapshot.read_time)
            for document in chunk.documents:
                batch = read_batch(document, array_expected=array_expected)
                documents = snapshot.count(Query(batch.completions))
                plan.batches += 1
                plan.active += batch.active
                plan.players += len(batch.players)
                plan.documents += documents
                plan.to_create += max(0, len(batch.players) - documents)
                plan.largest = max(plan.largest, len(batch.players))
                plan.reads_so_far += 1 + max(1, documents // COUNTED_AS_ONE_READ)
                plan.risks.extend(risks_of(batch))
        after, more = chunk.after, chunk.more
        observe(meter.at(plan.batches, {"players": plan.players}))
    return plan
