"""Taking back what a batch has recorded, and bringing it back (invariant 19).

A reset is kept in `batch_resets/{id}`, and what it removed, one document a player, in `…/saved/{player}`. Players are
removed and restored in chunks. Each is saved first and removed in one commit: the batch is consistent after each chunk,
and a reset that was killed can be resumed. A reset that would remove nothing is not made, so what can be brought back
is always the last one that holds something.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.created import commit_new
from nbactl.core._support.faults import reach
from nbactl.core._support.ids import decode_id, encode_id
from nbactl.core.calls.retry import retry_call
from nbactl.core.completions.documents import (
    BATCH_RESETS,
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    FAILED_PLAYERS,
    PREDICTIONS_BY_PLAYER,
    RESET_AT,
    TOTAL_PREDICTIONS,
    TOTAL_PREDICTIONS_SUBCOLL,
    UPDATED_AT,
    batch_changed,
    batch_path,
    completion_path,
    completions_of,
    missing_batch,
    players_of,
    required_batch,
    shard_of,
    shard_path,
    shards_of,
)
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.ports.documents import (
    DELETE_FIELD,
    SERVER_TIME,
    ArrayRemove,
    ArrayUnion,
    Create,
    Delete,
    Filter,
    Increment,
    Query,
    Set,
    Update,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.calls.retry import RetryPolicy
    from nbactl.core.completions.stages import CompletionMode, ModeOfBatch
    from nbactl.errors import NbactlError
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Write

    Fields = dict[FieldPath, Any]


_LOG = logging.getLogger(__name__)


def saved_path(reset_id: str, player: str) -> str:
    """Return where a reset keeps what it removed of a player."""
    return f"{BATCH_RESETS}/{reset_id}/saved/{encode_id(player)}"


def remove_chunk(store: DocumentStore, reset_id: str, batch_id: str, players: Sequence[str]) -> None:
    """Save what is on record of these players, then remove it. Raises ContentionError if it changes meanwhile."""
    batch, completions = _read(store, batch_id, players)
    in_array = players_of(batch, COMPLETED_PLAYERS)
    noted = batch.data.get(PREDICTIONS_BY_PLAYER) or {}
    fields: Fields = {"is_complete": False, "completion_time": None, UPDATED_AT: SERVER_TIME}
    saving: list[Write] = []
    removing: list[Write] = []
    counted: dict[str, int] = {}
    for player, completion in zip(players, completions, strict=True):
        if completion is None and player not in in_array:
            continue  # removed before an interruption
        note = noted.get(encode_id(player))
        counted[player] = _whole_number(note if completion is None else completion.data.get("predictions_count"))
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
    batch, completions = _read(store, batch_id, players)
    in_array = players_of(batch, COMPLETED_PLAYERS)
    saved = store.get_all([saved_path(reset_id, player) for player in players])
    fields: Fields = {UPDATED_AT: SERVER_TIME}
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


def _read(store: DocumentStore, batch_id: str, players: Sequence[str]) -> tuple[Document, list[Document | None]]:
    batch, *completions = store.get_all(
        [batch_path(batch_id), *(completion_path(batch_id, player) for player in players)]
    )
    if batch is None:
        raise missing_batch(batch_id)
    return batch, completions


def _moved(batch: Document, batch_id: str, counted: Mapping[str, int], sign: int, fields: Fields) -> list[Write]:
    """Return the updates of the batch, if it is unchanged, and of the counters wherever they are."""
    shards = shards_of(batch)
    if not shards:
        fields[COMPLETED_COUNT] = Increment(sign * len(counted))
        fields[TOTAL_PREDICTIONS] = Increment(sign * sum(counted.values()))
    writes: list[Write] = [Update(batch.path, fields, if_updated_at=batch.update_time)]
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


def _whole_number(value: object) -> int:
    """Return how many predictions a player adds to the total; 0 where the number is unknown."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


_CHUNK: Final = 100
"""Players a commit: with what is saved of each and every counter shard it stays below 500 writes."""
_COUNTERS: Final = (COMPLETED_COUNT, TOTAL_PREDICTIONS, TOTAL_PREDICTIONS_SUBCOLL)


def _nothing() -> None:
    """Do nothing between two chunks."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset. `state` is removing, removed, restoring or restored; `players` is how many it still keeps."""

    reset_id: str
    batch_id: str
    state: str
    by: str
    at: datetime
    players: int


class Resets:
    """Resets batches and undoes it. One at a time: the caller holds a lease, which `between` two chunks may renew."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        mode: ModeOfBatch,
        ids: IdGenerator,
        retry: RetryPolicy,
        rng: Random,
        notice: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._store = store
        self._clock = clock
        self._mode = mode
        self._ids = ids
        self._policy = retry
        self._rng = rng
        self._notice = notice

    def last(self, batch_id: str) -> Reset | None:
        """Return the last reset of a batch that was not undone to its end, and holds something or is not finished.

        Raises DataError for a record that cannot be read.
        """
        found = self._store.query(Query(BATCH_RESETS, (Filter("batch_id", "==", batch_id),)))
        for document in sorted(found, key=lambda reset: reset.id, reverse=True):
            reset = self._reset(document)
            if reset.state == "restored":
                continue
            if reset.state != "removed" or reset.players or _holds_more(document):
                return reset
        return None

    def known(self, batch_id: str) -> Reset | None:
        """Return what `last` returns, to be shown: `notice` gets a message about a record that cannot be read."""
        try:
            return self.last(batch_id)
        except DataError as error:
            self._notice(f"left out: {error.message}. {error.next_step}")
            return None

    def is_empty(self, batch_id: str) -> bool:
        """Say whether there is nothing in a batch that a reset could remove."""
        batch = required_batch(self._store, batch_id)
        shards = self._shards(batch, batch_id)
        counted = any(_number(counter, field) for counter in (batch, *shards) for field in _COUNTERS)
        open_again = batch.data.get("is_complete") is not True or batch.data.get("expected_players") == 0
        left = players_of(batch, COMPLETED_PLAYERS) or players_of(batch, FAILED_PLAYERS) or counted
        return open_again and not left and not any(self._store.list_ids(completions_of(batch_id)))

    def remove(self, batch_id: str, by: str, *, between: Callable[[], None] = _nothing) -> Reset | None:
        """Save and remove what is recorded in a batch, and open it again; resumes after an interruption.

        Returns None if there was nothing to remove, as after a reset that was killed before it could report its end.
        What live writers record meanwhile is kept and counted. Raises PreconditionError while an undo is unfinished.
        """
        last = self.last(batch_id)
        if last is not None and last.state == "restoring":
            raise PreconditionError(
                f"bringing back what was removed from {batch_id} was interrupted",
                next_step=f"Finish it first: nbactl batches reset {batch_id} --undo",
            )
        if last is not None and last.state == "removing":
            reset_id = last.reset_id
        elif self.is_empty(batch_id):
            return None
        else:
            reset_id = self._begin(batch_id, by)
        self._in_chunks(partial(remove_chunk, self._store, reset_id, batch_id), self._on_record(batch_id), between)
        self._retried(lambda: self._end_removal(reset_id, batch_id))
        reach("completions.reset_ended")
        return self._reset(self._document(reset_id))

    def restore(self, batch_id: str, *, between: Callable[[], None] = _nothing) -> Reset:
        """Bring back what the last reset removed; players who have completed since stay as they are.

        Raises NotFoundError if nothing was removed, PreconditionError if completions go elsewhere by now.
        """
        last = self.last(batch_id)
        if last is None:
            raise self.not_reset(batch_id)
        places = self._document(last.reset_id).data["places"]
        now = _places(self._mode(batch_id).for_batch(required_batch(self._store, batch_id)))
        if places != now:
            raise PreconditionError(
                f"what was removed from {batch_id} does not fit the stage of the migration",
                cause=f"It was in the {places}; completions go to the {now} now.",
                next_step="Take the migration back to that stage, or leave the batch as it is.",
            )
        self._store.commit([Update(_path(last.reset_id), {"state": "restoring"})])
        saved = [decode_id(name) for name in self._store.list_ids(f"{_path(last.reset_id)}/saved")]
        self._in_chunks(partial(restore_chunk, self._store, last.reset_id, batch_id), saved, between)
        self._retried(lambda: self._end_restoring(last.reset_id, batch_id))
        return self._reset(self._document(last.reset_id))

    def _begin(self, batch_id: str, by: str) -> str:
        batch = required_batch(self._store, batch_id)
        reset_id = self._ids.new("reset")
        # Players are counted in one field: what subcollection-only writers counted is added to it, and moved back by
        # the undo.
        beside = _number(batch, TOTAL_PREDICTIONS_SUBCOLL)
        moved: Fields = {TOTAL_PREDICTIONS: Increment(beside), TOTAL_PREDICTIONS_SUBCOLL: 0, UPDATED_AT: SERVER_TIME}
        fields = {
            "batch_id": batch_id,
            "state": "removing",
            "by": by,
            "at": SERVER_TIME,
            "places": _places(self._mode(batch_id).for_batch(batch)),
            "was_complete": batch.data.get("is_complete"),
            "completion_time": batch.data.get("completion_time"),
            FAILED_PLAYERS: sorted(players_of(batch, FAILED_PLAYERS)),
            TOTAL_PREDICTIONS_SUBCOLL: beside,
            # By what the counters were off, so that they can be put back as they were.
            COMPLETED_COUNT: 0,
            TOTAL_PREDICTIONS: 0,
        }
        writes: list[Write] = [Update(batch.path, moved, if_updated_at=batch.update_time)] if beside else []
        try:
            commit_new(self._store, [Create(_path(reset_id), fields), *writes])
        except PreconditionError as error:
            raise batch_changed(batch_id) from error
        reach("completions.reset_begun")
        return reset_id

    def _on_record(self, batch_id: str) -> Iterator[str]:
        """Yield everybody who has completed, once."""
        array = players_of(required_batch(self._store, batch_id), COMPLETED_PLAYERS)
        names = list(self._store.list_ids(completions_of(batch_id)))
        yield from sorted(array.union(decode_id(name) for name in names))

    def _in_chunks(
        self, step: Callable[[list[str]], None], players: Iterable[str], between: Callable[[], None]
    ) -> None:
        rest = iter(players)
        while chunk := list(islice(rest, _CHUNK)):
            self._retried(partial(step, chunk))
            between()

    def _end_removal(self, reset_id: str, batch_id: str) -> None:
        batch = required_batch(self._store, batch_id)
        shards = self._shards(batch, batch_id)
        failed = self._document(reset_id).data[FAILED_PLAYERS]
        fields: dict[FieldPath, Any] = {
            "is_complete": False,
            "completion_time": None,
            RESET_AT: SERVER_TIME,
            FAILED_PLAYERS: ArrayRemove(tuple(failed)),
        }
        ended: dict[FieldPath, Any] = {"state": "removed"}
        writes: list[Write] = []
        if not players_of(batch, COMPLETED_PLAYERS) and not any(self._store.list_ids(completions_of(batch_id))):
            zeros: dict[FieldPath, Any] = dict.fromkeys((COMPLETED_COUNT, TOTAL_PREDICTIONS), 0)
            off = {field: sum(_number(counter, field) for counter in (batch, *shards)) for field in _COUNTERS}
            ended[COMPLETED_COUNT] = off[COMPLETED_COUNT]
            ended[TOTAL_PREDICTIONS] = off[TOTAL_PREDICTIONS] + off[TOTAL_PREDICTIONS_SUBCOLL]
            writes = [Update(shard.path, zeros, if_updated_at=shard.update_time) for shard in shards]
            fields |= zeros
            if TOTAL_PREDICTIONS_SUBCOLL in batch.data:
                fields[TOTAL_PREDICTIONS_SUBCOLL] = 0
        self._commit_for(batch, [*writes, Update(_path(reset_id), ended)], fields, batch_id)

    def _end_restoring(self, reset_id: str, batch_id: str) -> None:
        batch = required_batch(self._store, batch_id)
        begun = self._document(reset_id).data
        beside = begun.get(TOTAL_PREDICTIONS_SUBCOLL, 0)  # a reset of before this field has none
        fields: dict[FieldPath, Any] = {
            COMPLETED_COUNT: Increment(begun[COMPLETED_COUNT]),
            TOTAL_PREDICTIONS: Increment(begun[TOTAL_PREDICTIONS] - beside),
            RESET_AT: DELETE_FIELD,
        }
        if beside:
            fields[TOTAL_PREDICTIONS_SUBCOLL] = Increment(beside)
        if batch.data.get("is_complete") is not True:
            fields |= {"is_complete": begun["was_complete"], "completion_time": begun["completion_time"]}
        if begun[FAILED_PLAYERS]:
            fields[FAILED_PLAYERS] = ArrayUnion(tuple(begun[FAILED_PLAYERS]))
        self._commit_for(batch, [Update(_path(reset_id), {"state": "restored"})], fields, batch_id)

    def _shards(self, batch: Document, batch_id: str) -> list[Document]:
        numbers = [shard_path(batch_id, shard) for shard in range(shards_of(batch))]
        return [shard for shard in self._store.get_all(numbers) if shard is not None]

    def _commit_for(self, batch: Document, writes: list[Write], fields: dict[FieldPath, Any], batch_id: str) -> None:
        fields[UPDATED_AT] = SERVER_TIME
        try:
            self._store.commit([Update(batch.path, fields, if_updated_at=batch.update_time), *writes])
        except PreconditionError as error:
            raise batch_changed(batch_id) from error

    def _document(self, reset_id: str) -> Document:
        document = self._store.get(_path(reset_id))
        if document is None:
            raise NotFoundError(f"the reset {reset_id} is gone")
        _checked(document)
        return document

    def not_reset(self, batch_id: str) -> NbactlError:
        """Return the error for a batch without a reset to undo: records that name no batch may be of this one."""
        for document in self._store.lacking(BATCH_RESETS, "batch_id"):
            try:
                _checked(document)
            except DataError as error:
                return error
        return NotFoundError(f"the batch '{batch_id}' was not reset, or everything is already restored")

    def _reset(self, document: Document) -> Reset:
        data = _checked(document)
        players = self._store.count(Query(f"{document.path}/saved"))
        return Reset(document.id, data["batch_id"], data["state"], data["by"], data["at"], players)

    def _retried(self, call: Callable[[], None]) -> None:
        retry_call(self._policy, call, clock=self._clock, rng=self._rng)


_TEXTS: Final = (str,)
_TIME_OR_NOTHING: Final = (datetime, type(None))
_NUMBERS: Final = (int, float)
_RECORD: Final[Mapping[str, tuple[type, ...]]] = {
    "batch_id": _TEXTS, "state": _TEXTS, "by": _TEXTS, "at": (datetime,), "places": _TEXTS,
    "was_complete": (bool, type(None)), "completion_time": _TIME_OR_NOTHING, FAILED_PLAYERS: (list,),
    COMPLETED_COUNT: _NUMBERS, TOTAL_PREDICTIONS: _NUMBERS,
}  # fmt: skip
_STATES: Final = ("removing", "removed", "restoring", "restored")


def _checked(document: Document) -> Mapping[str, Any]:
    """Return the fields of a reset's record. Raises DataError for what nbactl did not write."""
    try:
        data, problem = document.data, None
    except DataError as error:
        data, problem = {}, error.message.partition(": ")[2]
    for name, kinds in _RECORD.items() if problem is None else ():
        if name not in data:
            problem = f"its {name} is missing"
        elif not isinstance(data[name], kinds) or (name == "state" and data[name] not in _STATES):
            problem = f"its {name} is {data[name]!r}"
        if problem is not None:
            break
    if problem is not None:
        raise DataError(
            f"{document.path} cannot be read: {problem}",
            cause="A newer nbactl wrote it, or it was damaged.",
            next_step="Update nbactl, or correct the document; what the reset saved is below it.",
            details={"path": document.path},
        )
    return data


def _holds_more(reset: Document) -> bool:
    """Say whether a finished reset removed something besides players: failures, wrong counts, the batch's end."""
    data = reset.data
    return bool(data["was_complete"] or data[FAILED_PLAYERS] or any(data.get(field) for field in _COUNTERS))


def _path(reset_id: str) -> str:
    return f"{BATCH_RESETS}/{reset_id}"


def _places(mode: CompletionMode) -> str:
    if mode.write_array and mode.write_subcollection:
        return "array and the subcollection"
    return "array" if mode.write_array else "subcollection"


def _number(document: Document, field: str) -> int | float:
    value = document.data.get(field)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
