"""The completion tracker: every player of a batch counts once, and a batch becomes complete once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core._support.ids import encode_id
from nbactl.core.calls.deadline import current_deadline, deadline_scope
from nbactl.core.calls.in_thread import in_thread
from nbactl.core.calls.retry import retry_call
from nbactl.core.completions.batches import Batches, Progress, missing_counters, read_progress
from nbactl.core.completions.documents import (
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    COUNTER_SHARDS,
    FAILED_PLAYERS,
    MAX_SHARDS,
    PREDICTIONS_BY_PLAYER,
    TOTAL_PREDICTIONS,
    UPDATED_AT,
    bad_field,
    batch_changed,
    batch_document,
    batch_path,
    completion_document,
    completion_path,
    earlier_completion,
    listed_players,
    missing_batch,
    noted_predictions,
    players_of,
    required_batch,
    shard_document,
    shard_of,
    shard_path,
    shards_of,
)
from nbactl.core.observe.events import Event, noop_hook
from nbactl.errors import AlreadyExistsError, DataError, PreconditionError
from nbactl.ports.documents import SERVER_TIME, ArrayRemove, ArrayUnion, Create, Increment, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta
    from random import Random
    from typing import TypeVar

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.calls.retry import RetryPolicy
    from nbactl.core.completions.batches import BatchEntry
    from nbactl.core.completions.stages import CompletionMode, ModeOfBatch
    from nbactl.core.observe.events import Hook
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Write

    T = TypeVar("T")

_NO_FIELDS: Final[Mapping[Any, Any]] = {}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a call did to a batch, and how far the batch is.

    `new`: this call changed it. What was recorded before is recorded: after a lost reply the call that is made again
    finds its own commit and says False. `became_complete`: this call, and no other, made the batch complete.
    """

    new: bool
    became_complete: bool
    progress: Progress


class CompletionTracker:
    """Records who of a batch has completed or failed.

    `mode` is asked before each commit where completions go (`mode_in_force`, `mode_by_flags`). `retry` is for writers
    that came between and for a store that does not answer: every call here may be repeated, whatever the outcome of the
    one before.
    All methods raise NotFoundError for a batch that does not exist, and whatever keeps an effect from being durable.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        mode: ModeOfBatch,
        acting: float,
        retry: RetryPolicy,
        rng: Random,
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._clock = clock
        self._mode = mode
        self._acting = acting
        self._policy = retry
        self._rng = rng
        self._hook = hook

    def create_batch(
        self,
        batch_id: str,
        game_date: GameDate,
        expected_players: int,
        correlation_id: str,
        *,
        counter_shards: int = 0,
        fields: Mapping[str, Any] = _NO_FIELDS,
        beside: Sequence[Write] = (),
    ) -> Progress:
        """Begin a batch; doing so again with the same arguments changes nothing.

        The document also gets `fields`, and `beside` are writes of the same commit; both are only for the one who
        begins it.

        With `counter_shards` (up to 100) completions are counted in that many documents, for batches whose players
        complete faster than one document may be written (about one commit a second, lastingly). Raises
        AlreadyExistsError for a batch that differs.
        """
        _check_count(expected_players, "expected_players")
        _check_count(counter_shards, "counter_shards", MAX_SHARDS)
        return self._retried(
            lambda: self._create(
                batch_id,
                game_date,
                expected_players,
                correlation_id,
                shards=counter_shards,
                fields=fields,
                beside=beside,
            )
        )

    def record_completion(self, batch_id: str, player_lookup: str, predictions_count: int) -> Recorded:
        """Record that a player has completed with so many predictions.

        Who failed before no longer counts as failed; a completion that is on record stays as it is. When this
        returns, the completion is durable.
        """
        _check_count(predictions_count, "predictions_count")
        new = self._retried(lambda: self._complete_player(batch_id, player_lookup, predictions_count))
        reach("completions.recorded")
        self._hook(Event("completions.recorded" if new else "completions.duplicate", batch_id))
        return self._settled(batch_id, new=new)

    def record_failure(self, batch_id: str, player_lookup: str) -> Recorded:
        """Record that a player has failed for good; of one who has completed nothing is changed."""
        new = self._retried(lambda: self._fail_player(batch_id, player_lookup))
        if new:
            self._hook(Event("completions.failed", batch_id))
        return self._settled(batch_id, new=new)

    def progress(self, batch_id: str) -> Progress:
        """Return how far a batch is."""
        return read_progress(self._store, self._batch(batch_id), self._mode(batch_id))

    def complete(self, batch_id: str, fields: Mapping[FieldPath, Any] = _NO_FIELDS) -> Recorded:
        """Make a batch complete although players are missing. Players who complete later are still counted.

        In the same commit the document gets `fields`; one that is complete already does not.
        """
        done, progress = self._retried(lambda: self._finish(batch_id, even_if_missing=True, fields=fields))
        self._emit_complete(batch_id, done=done)
        return Recorded(new=done, became_complete=done, progress=progress)

    async def create_batch_async(
        self, batch_id: str, game_date: GameDate, expected_players: int, correlation_id: str, *, counter_shards: int = 0
    ) -> Progress:
        """Do as `create_batch` in a thread. All of these calls may be made again after a cancellation."""
        return await in_thread(
            lambda: self.create_batch(
                batch_id, game_date, expected_players, correlation_id, counter_shards=counter_shards
            )
        )

    async def record_completion_async(self, batch_id: str, player_lookup: str, predictions_count: int) -> Recorded:
        """Do as `record_completion` in a thread."""
        return await in_thread(lambda: self.record_completion(batch_id, player_lookup, predictions_count))

    async def record_failure_async(self, batch_id: str, player_lookup: str) -> Recorded:
        """Do as `record_failure` in a thread."""
        return await in_thread(lambda: self.record_failure(batch_id, player_lookup))

    async def progress_async(self, batch_id: str) -> Progress:
        """Do as `progress` in a thread."""
        return await in_thread(lambda: self.progress(batch_id))

    async def complete_async(self, batch_id: str) -> Recorded:
        """Do as `complete` in a thread."""
        return await in_thread(lambda: self.complete(batch_id))

    def stalled(self, now: datetime, after: timedelta) -> list[BatchEntry]:
        """Return incomplete batches in which nothing was recorded for as long as `after`, the oldest first."""
        return Batches(self._store, self._mode).stalled(now, after)

    def _create(
        self,
        batch_id: str,
        game_date: GameDate,
        expected: int,
        correlation_id: str,
        *,
        shards: int,
        fields: Mapping[str, Any],
        beside: Sequence[Write],
    ) -> Progress:
        path = batch_path(batch_id)
        wanted = batch_document(
            batch_id, game_date, expected, correlation_id, with_array=self._mode(batch_id).write_array, shards=shards
        )
        writes: list[Write] = [Create(shard_path(batch_id, shard), shard_document()) for shard in range(shards)]
        try:
            self._commit([Create(path, {**fields, **wanted}), *writes, *beside])
        except AlreadyExistsError as error:
            found = self._batch(batch_id)
            for field in ("game_date", "expected_players", "correlation_id", COUNTER_SHARDS):
                if found.data.get(field) != wanted.get(field):
                    raise AlreadyExistsError(
                        f"the batch {batch_id} exists already, and differs",
                        cause=f"Its {field} is {found.data.get(field)!r}, not {wanted.get(field)!r}.",
                        next_step="Give the new batch an id of its own.",
                        details={"path": path, "field": field},
                    ) from error
        return self.progress(batch_id)

    def _complete_player(self, batch_id: str, player: str, predictions: int) -> bool:
        mode = self._mode(batch_id)
        batch = self._countable(batch_id)
        mode = mode.for_batch(batch)
        path = completion_path(batch_id, player)
        if mode.check_array and player in _array_of(batch, mode):
            if mode.write_subcollection:
                noted = noted_predictions(batch).get(player)
                self._create_unless_there(Create(path, earlier_completion(batch, player, noted)))
            return False
        completion = Create(path, completion_document(player, predictions))
        writes: list[Write] = [completion] if mode.write_subcollection else []
        try:
            self._commit(writes + self._counting(batch, batch_id, player, predictions, mode))
        except AlreadyExistsError:
            if mode.write_array:
                self._commit([Update(batch.path, {COMPLETED_PLAYERS: ArrayUnion((player,)), UPDATED_AT: SERVER_TIME})])
            return False
        except PreconditionError as error:
            raise batch_changed(batch_id) from error
        return True

    def _countable(self, batch_id: str) -> Document:
        """Return a batch; one of old code that lacks its counters gets them first, in a commit of its own."""
        batch = self._batch(batch_id)
        missing = missing_counters(self._store, batch)
        if not missing:
            return batch
        try:
            self._commit([Update(batch.path, missing, if_updated_at=batch.update_time)])
        except PreconditionError as error:
            raise batch_changed(batch_id) from error
        return self._batch(batch_id)

    def _create_unless_there(self, completion: Create) -> None:
        """Give a document to a completion that only the array has; it is counted already."""
        try:
            self._commit([completion])
        except AlreadyExistsError:
            return

    def _fail_player(self, batch_id: str, player: str) -> bool:
        batch, completion = self._store.get_all([batch_path(batch_id), completion_path(batch_id, player)])
        if batch is None:
            raise missing_batch(batch_id)
        on_record = players_of(batch, COMPLETED_PLAYERS) | players_of(batch, FAILED_PLAYERS)
        if completion is not None or player in on_record:
            return False
        fields: dict[FieldPath, Any] = {FAILED_PLAYERS: ArrayUnion((player,)), UPDATED_AT: SERVER_TIME}
        failed = Update(batch.path, fields, if_updated_at=batch.update_time)
        try:
            self._commit([failed])
        except PreconditionError as error:
            raise batch_changed(batch_id) from error
        return True

    def _settled(self, batch_id: str, *, new: bool) -> Recorded:
        """Make the batch complete if it is due. The last writer reads after all others, so one of them does."""
        became_complete, progress = self._retried(lambda: self._finish(batch_id))
        self._emit_complete(batch_id, done=became_complete)
        return Recorded(new, became_complete, progress)

    def _emit_complete(self, batch_id: str, *, done: bool) -> None:
        if done:
            self._hook(Event("completions.batch_complete", batch_id))

    def _finish(
        self, batch_id: str, *, even_if_missing: bool = False, fields: Mapping[FieldPath, Any] = _NO_FIELDS
    ) -> tuple[bool, Progress]:
        batch = self._batch(batch_id)
        progress = read_progress(self._store, batch, self._mode(batch_id))
        if progress.is_complete or not (progress.is_due or even_if_missing):
            return False, progress
        ended: dict[FieldPath, Any] = {"is_complete": True, "completion_time": SERVER_TIME, UPDATED_AT: SERVER_TIME}
        ended |= fields
        finished = Update(batch.path, ended, if_updated_at=batch.update_time)
        reach("completions.before_finish")
        try:
            self._commit([finished])
        except PreconditionError as error:
            raise batch_changed(batch_id) from error
        return True, self.progress(batch_id)

    def _counting(
        self, batch: Document, batch_id: str, player: str, predictions: int, mode: CompletionMode
    ) -> list[Write]:
        """Return the updates by which a completion counts.

        With `check_array` they hold only if the batch is as it was when the array was read; without it there is no
        condition on the batch, so that writers do not conflict.
        """
        shards = shards_of(batch)
        counted: dict[FieldPath, Any] = {COMPLETED_COUNT: Increment(1), TOTAL_PREDICTIONS: Increment(predictions)}
        fields: dict[FieldPath, Any] = {}
        if mode.write_array:
            fields[COMPLETED_PLAYERS] = ArrayUnion((player,))
        if mode.write_array and not mode.write_subcollection:
            # The array alone has no place for it, and the document that the backfill makes later must have it.
            fields[PREDICTIONS_BY_PLAYER, encode_id(player)] = predictions
        if not shards or mode.check_array or player in players_of(batch, FAILED_PLAYERS):
            fields[FAILED_PLAYERS] = ArrayRemove((player,))
        writes: list[Write] = []
        if shards:
            writes.append(Update(shard_path(batch_id, shard_of(player, shards)), counted))
        else:
            _check_countable(batch)
            fields |= counted
        if fields or self._looks_quiet(batch):
            fields[UPDATED_AT] = SERVER_TIME
            writes.append(Update(batch.path, fields, if_updated_at=batch.update_time if mode.check_array else None))
        return writes

    def _looks_quiet(self, batch: Document) -> bool:
        """Say whether `updated_at` is older than a write may take: completions of shards do not write the batch."""
        changed = batch.data.get(UPDATED_AT)
        if not isinstance(changed, datetime):
            return True
        return (self._clock.now() - changed).total_seconds() > self._acting

    def _batch(self, batch_id: str) -> Document:
        return required_batch(self._store, batch_id)

    def _commit(self, writes: Sequence[Write]) -> None:
        """Commit what the mode asked for, unless it was asked for too long ago."""
        deadline = current_deadline()
        if deadline is not None:
            deadline.check("a commit by the stage that was read before it")
        self._store.commit(writes)

    def _retried(self, call: Callable[[], T]) -> T:
        def attempt() -> T:
            with deadline_scope(self._acting, self._clock):
                return call()

        return retry_call(self._policy, attempt, clock=self._clock, rng=self._rng)


def _array_of(batch: Document, mode: CompletionMode) -> frozenset[str]:
    """Return the array of a batch. It has to be readable where progress comes from it."""
    return listed_players(batch) if mode.read_subcollection else players_of(batch, COMPLETED_PLAYERS)


def _check_countable(batch: Document) -> None:
    """Refuse counters that an increment would replace instead of raise; a missing one begins at 0."""
    for field in (COMPLETED_COUNT, TOTAL_PREDICTIONS):
        value = batch.data.get(field, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise bad_field(batch, field, f"is {value!r}, not a number")


def _check_count(value: int, name: str, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (most is not None and value > most):
        limits = "from 0 up" if most is None else f"from 0 to {most}"
        raise DataError(f"{name} is {value!r}", cause=f"It must be an integer {limits}.")
