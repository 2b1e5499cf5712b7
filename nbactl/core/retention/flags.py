"""The history of flags: what is before a time goes, but never the last entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.flags.store import COLLECTION, history_of
from nbactl.core.retention.model import Removal
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.ports.documents import MAX_WRITES, Delete, Query

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.documents import Document, DocumentStore

_KEPT: Final = 2
"""The newest entries of each flag: its state, and the one before, to which an undo goes back."""


class OldFlagHistory:
    """Removes entries from the oldest on. They are numbered without a gap, so that nothing is searched."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        key, _, version = (start or "").rpartition(" ")
        total = Removal()
        for flag in self._store.query(Query(COLLECTION)):
            if flag.id < key:
                continue
            if total.examined >= at_most:
                return Removal(total.removed, total.examined, None, f"{flag.id} 1")
            first = int(version) if flag.id == key else 1
            total = total.and_then(self._prune(flag, first, before, at_most - total.examined, dry_run=dry_run))
            if total.resume is not None:
                return total
        return total

    def _prune(self, flag: Document, first: int, before: datetime, at_most: int, *, dry_run: bool) -> Removal:
        try:
            newest = int(flag.data["version"])
        except (DataError, KeyError, TypeError, ValueError):
            return Removal(examined=1)  # its history is all that is left of it
        last = newest - _KEPT
        first = self._first(flag.id, first, last)
        removed = examined = 0
        while first <= last:
            if examined >= at_most:
                return Removal(removed, examined, None, f"{flag.id} {first}")
            versions = range(first, min(last, first + MAX_WRITES - 1) + 1)
            found = self._store.get_all([_entry(flag.id, version) for version in versions])
            examined += len(found)
            old = [document for document in found if document is not None and _is_before(document, before)]
            if old and not dry_run:
                deletes = [Delete(document.path, if_updated_at=document.update_time) for document in old]
                removed += _commit(self._store, deletes)
            else:
                removed += len(old)
            if len(old) < len(found):
                break
            first = versions.stop
        return Removal(removed, max(1, examined))

    def _first(self, key: str, low: int, last: int) -> int:
        """Return the oldest version that is there from `low` on, by bisection: those before it are gone."""
        high = max(low, last)
        while low < high:
            middle = (low + high) // 2
            if self._store.get(_entry(key, middle)) is None:
                low = middle + 1
            else:
                high = middle
        return low


def _commit(store: DocumentStore, deletes: list[Delete]) -> int:
    """Delete all or none, so that no gap comes about; none if another process was faster."""
    try:
        store.commit(deletes)
    except (PreconditionError, NotFoundError):
        return 0
    return len(deletes)


def _entry(key: str, version: int) -> str:
    return f"{history_of(key)}/{version}"


def _is_before(document: Document, before: datetime) -> bool:
    try:
        return bool(document.data["updated_at"] < before)
    except (DataError, KeyError, TypeError):
        return False
