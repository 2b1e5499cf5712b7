"""Batches: the progress of one, by the one function that all callers use (invariant 4); finding and listing them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.ids import decode_id
from nbactl.core._support.names import closest
from nbactl.core.completions.documents import (
    BATCHES,
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    FAILED_PLAYERS,
    TOTAL_PREDICTIONS,
    bad_field,
    batch_id_of,
    batch_path,
    completion_path,
    completions_of,
    count_of,
    flag_of,
    game_date_of,
    instant_of,
    listed_players,
    noted_predictions,
    players_of,
    required_batch,
    shard_path,
    shards_of,
    text_of,
    total_of,
)
from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.ports.documents import Filter, Order, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.completions.stages import CompletionMode, ModeOfBatch
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Reader

    Entries = list["BatchEntry"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. `failed` has those who failed and have not completed since."""

    batch_id: str
    game_date: GameDate
    expected: int
    completed: int
    failed: tuple[str, ...]
    predictions: int
    is_complete: bool
    start_time: datetime | None
    completion_time: datetime | None
    correlation_id: str | None

    @property
    def missing(self) -> int:
        """How many players have neither completed nor failed."""
        return max(0, self.expected - self.completed - len(self.failed))

    @property
    def is_due(self) -> bool:
        """Whether everybody has completed or failed; `is_complete` says whether that has been recorded."""
        return self.missing == 0

    @property
    def percent(self) -> float:
        """The completed among the expected, 0.0 to 100.0."""
        return min(100.0, 100.0 * self.completed / self.expected) if self.expected else 100.0


def read_progress(reader: Reader, document: Document, mode: CompletionMode) -> Progress:
    """Return the progress that a batch's document, and what it leads to, says.

    Costs at most one look-up a shard and a failed player, however many have completed, and reads nothing that `mode`
    does not read. Two batches cost more: one without a counter, whose completions are counted, and one that is due by
    its counter and not complete, whose counter is checked first (`_checked`). Raises DataError for what cannot be
    counted.
    """
    batch_id = batch_id_of(document)
    mode = mode.for_batch(document)
    shards = _shards(reader, document, batch_id)
    predictions = total_of(document) + sum(count_of(shard, TOTAL_PREDICTIONS) for shard in shards)
    failed = players_of(document, FAILED_PLAYERS)
    expected, is_complete = count_of(document, "expected_players"), flag_of(document, "is_complete")
    if mode.read_subcollection:
        failed -= _completed_among(reader, batch_id, failed) | listed_players(document)
        if COMPLETED_COUNT in document.data:
            completed = sum(count_of(counter, COMPLETED_COUNT) for counter in (document, *shards))
            if not is_complete and completed + len(failed) >= expected:
                completed = _checked(reader, document, completed)
        else:
            completed = len(recorded_players(reader, document))
    else:
        players = players_of(document, COMPLETED_PLAYERS)
        completed = len(players)
        failed -= players
    return Progress(
        batch_id=batch_id,
        game_date=game_date_of(document),
        expected=expected,
        completed=completed,
        failed=tuple(sorted(failed)),
        predictions=predictions,
        is_complete=is_complete,
        start_time=instant_of(document, "start_time"),
        completion_time=instant_of(document, "completion_time") if is_complete else None,
        correlation_id=text_of(document, "correlation_id"),
    )


def _checked(reader: Reader, batch: Document, counter: int) -> int:
    """Return how many have completed, at most `counter`: old code counts a message that is delivered twice twice."""
    if reader.count(Query(f"{batch.path}/completions")) >= counter:
        return counter
    return min(counter, len(recorded_players(reader, batch)))


def recorded_players(reader: Reader, batch: Document) -> frozenset[str]:
    """Return everybody of a batch who has completed, on either side."""
    return listed_players(batch).union(_id_of(name) for name in reader.list_ids(f"{batch.path}/completions"))


def missing_counters(reader: Reader, batch: Document) -> dict[FieldPath, int]:
    """Return the counters that an old batch lacks, as they should be; its shards count themselves."""
    missing: dict[FieldPath, int] = {}
    if COMPLETED_COUNT not in batch.data:
        missing[COMPLETED_COUNT] = 0 if shards_of(batch) else len(recorded_players(reader, batch))
    if TOTAL_PREDICTIONS not in batch.data:
        missing[TOTAL_PREDICTIONS] = 0 if shards_of(batch) else sum(noted_predictions(batch).values())
    return missing


def _shards(reader: Reader, document: Document, batch_id: str) -> list[Document]:
    number = shards_of(document)
    if not number:
        return []
    found = reader.get_all([shard_path(batch_id, shard) for shard in range(number)])
    present = [shard for shard in found if shard is not None]
    if len(present) < number:
        raise bad_field(document, "counter_shards", f"is {number}, but only {len(present)} of these documents exist")
    return present


def _completed_among(reader: Reader, batch_id: str, failed: frozenset[str]) -> frozenset[str]:
    """Return who of the failed has completed since."""
    if not failed:
        return failed
    players = sorted(failed)
    found = reader.get_all([completion_path(batch_id, player) for player in players])
    return frozenset(player for player, document in zip(players, found, strict=True) if document is not None)


_AMBIGUOUS_SHOWN: Final = 5
_NEWEST_FIRST: Final = (Order("start_time", descending=True),)
_INCOMPLETE: Final = Filter("is_complete", "==", value=False)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch in a list. `progress` is None where `error` says why it is unknown.

    `last_change` is when something was recorded last.
    """

    batch_id: str
    last_change: datetime
    progress: Progress | None
    error: DataError | None = None


class Batches:
    """Finds and lists batches; changes nothing."""

    def __init__(self, store: DocumentStore, mode: ModeOfBatch) -> None:
        self._store = store
        self._mode = mode

    def find(self, name: str) -> str:
        """Return the id of a batch: by itself, by the beginning of one batch alone, or as `last`, the last begun.

        Raises NotFoundError, UsageError for a beginning that fits several.
        """
        if name == "last":
            newest = next(iter(self._store.query(Query(BATCHES, order=_NEWEST_FIRST, limit=1))), None)
            if newest is None:
                raise NotFoundError("there are no batches yet", cause="No phase 5 has begun one in this store.")
            return decode_id(newest.id)
        if self._store.get(batch_path(name)) is not None:
            return name
        known = [_id_of(identifier) for identifier in self._store.list_ids(BATCHES)]
        matches = [batch_id for batch_id in known if batch_id.startswith(name)]
        if len(matches) > 1:
            shown = ", ".join(matches[-_AMBIGUOUS_SHOWN:])
            raise UsageError(f"{len(matches)} batches begin with {name}", next_step=f"Write more of it: {shown}")
        if not matches:
            meant = closest(name, known)
            raise NotFoundError(
                f"there is no batch '{name}'",
                next_step=f"Did you mean '{meant}'?" if meant else "List them: nbactl batches list",
            )
        return matches[0]

    def entry(self, batch_id: str) -> BatchEntry:
        """Return a batch by its id. Raises NotFoundError."""
        return self._entry(required_batch(self._store, batch_id))

    def mode(self, batch_id: str) -> CompletionMode:
        """Return where the completions of a batch go, and where its progress comes from. Raises NotFoundError."""
        return self._mode(batch_id).for_batch(required_batch(self._store, batch_id))

    def list(self, *, date: GameDate | None = None, incomplete: bool = False, limit: int | None = 20) -> Entries:
        """Return batches, those begun last first."""
        filters = _filters(date, incomplete=incomplete)
        if not filters:
            return [
                self._entry(document)
                for document in self._store.query(Query(BATCHES, order=_NEWEST_FIRST, limit=limit))
            ]
        # Sorted here: with a filter the store would need an index of its own for the order.
        entries = [self._entry(document) for document in self._store.query(Query(BATCHES, filters))]
        return sorted(entries, key=_begun, reverse=True)[:limit]

    def count(self, *, date: GameDate | None = None, incomplete: bool = False) -> int:
        """Return how many batches there are, those without start_time included."""
        return self._store.count(Query(BATCHES, _filters(date, incomplete=incomplete)))

    def unlisted(self, fields: Sequence[str] = ("start_time",)) -> Entries:
        """Return the batches that a list by these fields never has: without one of them, or damaged."""
        lacking = itertools.chain.from_iterable(self._store.lacking(BATCHES, field) for field in fields)
        by_path = {document.path: document for document in lacking}
        return [self._entry(document) for _, document in sorted(by_path.items())]

    def stalled(self, now: datetime, after: timedelta) -> Entries:
        """Return incomplete batches in which nothing was recorded for as long as `after`, the oldest first.

        A batch whose progress is unknown is among them, with its error.
        """
        incomplete = self._store.query(Query(BATCHES, (_INCOMPLETE,)))
        entries = [self._entry(document) for document in incomplete]
        return sorted(
            (entry for entry in entries if entry.error or now - entry.last_change >= after),
            key=lambda entry: entry.last_change,
        )

    def _entry(self, document: Document) -> BatchEntry:
        batch_id = _id_of(document.id)
        try:
            changed = self._last_change(document, batch_id)
            return BatchEntry(batch_id, changed, read_progress(self._store, document, self._mode(batch_id)))
        except DataError as error:
            return BatchEntry(batch_id, document.update_time, None, error)

    def _last_change(self, document: Document, batch_id: str) -> datetime:
        """Return when something was recorded: every completion changes the batch, unless shards count it."""
        changed = document.update_time
        if shards_of(document):
            newest = Query(completions_of(batch_id), order=(Order("completed_at", descending=True),), limit=1)
            for completion in self._store.query(newest):
                changed = max(changed, instant_of(completion, "completed_at") or changed)
        return changed


def _filters(date: GameDate | None, *, incomplete: bool) -> tuple[Filter, ...]:
    by_date = (Filter("game_date", "==", str(date)),) if date is not None else ()
    return (*by_date, _INCOMPLETE) if incomplete else by_date


def _begun(entry: BatchEntry) -> datetime:
    return (entry.progress.start_time if entry.progress else None) or _NEVER


def _id_of(name: str) -> str:
    """Return the id of a document's name; a name that encodes no id is returned as it is."""
    try:
        return decode_id(name)
    except DataError:
        return name
