"""The batches of a store: found by name, listed, and looked through for those that have stalled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.document_ids import decode_id
from nbactl.core._support.names import closest
from nbactl.core.completions.documents import (
    BATCHES,
    batch_path,
    completions_of,
    instant_of,
    required_batch,
    shards_of,
)
from nbactl.core.completions.progress import Progress, read_progress
from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.ports.documents import Filter, Order, Query

if TYPE_CHECKING:
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.completions.mode import CompletionMode, ModeOfBatch
    from nbactl.ports.documents import Document, DocumentStore

    # Inside the class `list` is the method.
    Entries = list["BatchEntry"]

_AMBIGUOUS_SHOWN: Final = 5
_NEWEST_FIRST: Final = (Order("start_time", descending=True),)
_INCOMPLETE: Final = Filter("is_complete", "==", value=False)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch among others. `progress` is None where `error` says why it cannot be told.

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
                raise NotFoundError("there is no batch yet", cause="No phase 5 has begun one in this store.")
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
        filters = [Filter("game_date", "==", str(date))] if date is not None else []
        if incomplete:
            filters.append(_INCOMPLETE)
        if not filters:
            return [self._entry(each) for each in self._store.query(Query(BATCHES, order=_NEWEST_FIRST, limit=limit))]
        # Sorted here: with a filter the store would need an index of its own for the order.
        entries = [self._entry(each) for each in self._store.query(Query(BATCHES, tuple(filters)))]
        return sorted(entries, key=_begun, reverse=True)[:limit]

    def unlisted(self) -> int:
        """Return how many batches `list` without a filter never shows, because they have no start_time."""
        return self._store.count(Query(BATCHES)) - self._store.count(Query(BATCHES, order=_NEWEST_FIRST))

    def stalled(self, now: datetime, after: timedelta) -> Entries:
        """Return incomplete batches in which nothing was recorded for as long as `after`, the oldest first.

        A batch whose progress cannot be told is among them, with its error.
        """
        incomplete = self._store.query(Query(BATCHES, (_INCOMPLETE,)))
        entries = [self._entry(document) for document in incomplete]
        return sorted(
            (each for each in entries if each.error or now - each.last_change >= after),
            key=lambda each: each.last_change,
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


def _begun(entry: BatchEntry) -> datetime:
    return (entry.progress.start_time if entry.progress else None) or _NEVER


def _id_of(name: str) -> str:
    """Return the id that a name stands for; a name that stands for none speaks for itself."""
    try:
        return decode_id(name)
    except DataError:
        return name
