"""Counters: set to the number of completions, in a commit that fails if a writer counted meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core._support.ids import encode_id
from nbactl.core.completions.documents import (
    COMPLETED_COUNT,
    TOTAL_PREDICTIONS,
    TOTAL_PREDICTIONS_SUBCOLL,
    is_count,
    shard_document,
    shard_of,
)
from nbactl.errors import NotFoundError, PreconditionError
from nbactl.migrations.completions.batch import damage_of, player_names, read_batch
from nbactl.ports.documents import Create, Query, Update

if TYPE_CHECKING:
    from nbactl.migrations.completions.batch import Batch
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Write

_TRIES: Final = 10


def reconcile(store: DocumentStore, path: str) -> int | None:
    """Correct the counter of the batch at `path`; returns the new count, None if writers changed it on every try.

    Every writer touches what carries the counter in the commit that makes a completion, so a guard on the update time
    of these documents, read before the completions, is enough. A total of predictions that is not a number is summed
    up again, without what subcollection-only writers counted beside it; one that is a number is kept, since not every
    completion has its own.
    """
    for _ in range(_TRIES):
        document = store.get(path)
        if document is None:
            return None
        batch = read_batch(document, array_expected=False)
        shards = store.get_all([batch.shard(shard) for shard in range(batch.shards)]) if batch.shards else []
        completed = frozenset(player_names(store.list_ids(batch.completions), batch, [])) | batch.players
        writes = _writes(store, batch, shards, completed)
        if not writes:
            return len(completed)
        reach("migration.before_reconcile")
        try:
            store.commit(writes)
        except (PreconditionError, NotFoundError):
            continue
        reach("migration.reconciled")
        return len(completed)
    return None


def _writes(
    store: DocumentStore, batch: Batch, shards: list[Document | None], completed: frozenset[str]
) -> list[Write]:
    per_shard = Counter(shard_of(player, batch.shards) for player in completed) if batch.shards else Counter[int]()
    changes: dict[FieldPath, Any] = {}
    counted = 0 if batch.shards else len(completed)
    if not is_count(batch.counter) or batch.counter != counted:
        changes[COMPLETED_COUNT] = counted
    data = batch.document.data
    beside = data.get(TOTAL_PREDICTIONS_SUBCOLL, 0)
    if not is_count(data.get(TOTAL_PREDICTIONS)) or not is_count(beside):
        if not is_count(beside):
            beside = changes[TOTAL_PREDICTIONS_SUBCOLL] = 0
        changes[TOTAL_PREDICTIONS] = 0 if batch.shards else max(0, _predictions(store, batch) - beside)
    moved = [_shard_write(batch, number, shard, per_shard[number]) for number, shard in enumerate(shards)]
    writes: list[Write] = [write for write in moved if write is not None]
    if changes or writes:
        # The batch is written even if only shards change: writers of the array change its update time.
        changes.setdefault(COMPLETED_COUNT, counted)
        writes.append(Update(batch.path, changes, if_updated_at=batch.document.update_time))
    return writes


def _shard_write(batch: Batch, number: int, shard: Document | None, counted: int) -> Write | None:
    if shard is None:
        return Create(batch.shard(number), {**shard_document(), COMPLETED_COUNT: counted})
    value = shard.data.get(COMPLETED_COUNT)
    if is_count(value) and value == counted:
        return None
    return Update(shard.path, {COMPLETED_COUNT: counted}, if_updated_at=shard.update_time)


def _predictions(store: DocumentStore, batch: Batch) -> int:
    known = {encode_id(player): count for player, count in batch.payloads.items()}
    for document in store.query(Query(batch.completions)):
        if damage_of(document):
            continue
        count = document.data.get("predictions_count")
        if is_count(count):
            known[document.id] = count
    return sum(known.values())
