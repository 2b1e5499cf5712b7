"""One step of a reset or of its undo: some players, in one commit that changes documents, array and counters."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nbactl.core._support.document_ids import encode_id
from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import (
    BATCH_RESETS,
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    PREDICTIONS_BY_PLAYER,
    TOTAL_PREDICTIONS,
    batch_changed,
    batch_path,
    completion_path,
    missing_batch,
    players_of,
    shard_of,
    shard_path,
    shards_of,
)
from nbactl.errors import NotFoundError, PreconditionError
from nbactl.ports.documents import DELETE_FIELD, ArrayRemove, ArrayUnion, Create, Delete, Increment, Set, Update

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Write

    Fields = dict[FieldPath, Any]


def saved_path(reset_id: str, player: str) -> str:
    """Return where a reset keeps what it removed of a player."""
    return f"{BATCH_RESETS}/{reset_id}/saved/{encode_id(player)}"


def remove_chunk(store: DocumentStore, reset_id: str, batch_id: str, players: Sequence[str]) -> None:
    """Save what is on record of these players, then remove it. Raises ContentionError if it changes meanwhile."""
    batch, completions = _look(store, batch_id, players)
    in_array = players_of(batch, COMPLETED_PLAYERS)
    noted = batch.data.get(PREDICTIONS_BY_PLAYER) or {}
    fields: Fields = {"is_complete": False, "completion_time": None}
    saving: list[Write] = []
    removing: list[Write] = []
    counted: dict[str, int] = {}
    for player, completion in zip(players, completions, strict=True):
        if completion is None and player not in in_array:
            continue  # removed before an interruption
        note = noted.get(encode_id(player))
        counted[player] = _number(note if completion is None else completion.data.get("predictions_count"))
        saved = {
            "player_lookup": player,
            "in_array": player in in_array,
            "completion": None if completion is None else completion.data,
            "noted": note,
            "counted": counted[player],
        }
        saving.append(Set(saved_path(reset_id, player), saved))
        if completion is not None:
            removing.append(Delete(completion.path, if_updated_at=completion.update_time))
        if note is not None:
            fields[PREDICTIONS_BY_PLAYER, encode_id(player)] = DELETE_FIELD
    if not counted:
        return
    store.commit(saving)
    reach("completions.reset_saved")
    if in_array:
        fields[COMPLETED_PLAYERS] = ArrayRemove(tuple(counted))
    try:
        store.commit([*removing, *_moved(batch, batch_id, counted, -1, fields)])
    except (PreconditionError, NotFoundError) as error:
        raise batch_changed(batch_id) from error
    reach("completions.reset_removed")


def restore_chunk(store: DocumentStore, reset_id: str, batch_id: str, players: Sequence[str]) -> None:
    """Bring these players back, but for those who have completed since. Raises ContentionError as above."""
    batch, completions = _look(store, batch_id, players)
    in_array = players_of(batch, COMPLETED_PLAYERS)
    saved = store.get_all([saved_path(reset_id, player) for player in players])
    fields: Fields = {}
    writes: list[Write] = []
    counted: dict[str, int] = {}
    into_array: list[str] = []
    for player, completion, kept in zip(players, completions, saved, strict=True):
        if kept is None or completion is not None or player in in_array:
            continue
        counted[player] = kept.data["counted"]
        if kept.data["completion"] is not None:
            writes.append(Create(completion_path(batch_id, player), kept.data["completion"]))
        if kept.data["in_array"]:
            into_array.append(player)
        if kept.data["noted"] is not None:
            fields[PREDICTIONS_BY_PLAYER, encode_id(player)] = kept.data["noted"]
        writes.append(Delete(kept.path))
    if not counted:
        return
    if into_array:
        fields[COMPLETED_PLAYERS] = ArrayUnion(tuple(into_array))
    try:
        store.commit([*writes, *_moved(batch, batch_id, counted, 1, fields)])
    except PreconditionError as error:
        raise batch_changed(batch_id) from error
    reach("completions.reset_restored")


def _look(store: DocumentStore, batch_id: str, players: Sequence[str]) -> tuple[Document, list[Document | None]]:
    batch, *completions = store.get_all([batch_path(batch_id), *(completion_path(batch_id, each) for each in players)])
    if batch is None:
        raise missing_batch(batch_id)
    return batch, completions


def _moved(batch: Document, batch_id: str, counted: Mapping[str, int], sign: int, fields: Fields) -> list[Write]:
    """Return the updates of the batch, if it is unchanged, and of the counters wherever they are."""
    shards = shards_of(batch)
    if not shards:
        fields[COMPLETED_COUNT] = Increment(sign * len(counted))
        fields[TOTAL_PREDICTIONS] = Increment(sign * sum(counted.values()))
    writes: list[Write] = [Update(batch.path, fields, if_updated_at=batch.update_time)] if fields else []
    if shards:
        players = Counter(shard_of(player, shards) for player in counted)
        for shard, number in sorted(players.items()):
            predictions = sum(value for player, value in counted.items() if shard_of(player, shards) == shard)
            moved: Fields = {
                COMPLETED_COUNT: Increment(sign * number),
                TOTAL_PREDICTIONS: Increment(sign * predictions),
            }
            writes.append(Update(shard_path(batch_id, shard), moved))
    return writes


def _number(value: object) -> int:
    """Return how many predictions a player adds to the total; where nobody noted it, none that could be taken off."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
