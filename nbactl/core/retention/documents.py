"""Documents that record what happened at a time, such as decisions: those before a time go."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from nbactl.core.retention.model import Removal
from nbactl.errors import DataError
from nbactl.ports.documents import MAX_WRITES, Delete, Filter, Order, Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import Document, DocumentStore


class OldDocuments:
    """Removes the documents of a collection by the time in `field`, but those that `is_open` says it of."""

    def __init__(self, store: DocumentStore, collection: str, field: str, is_open: Callable[[Document], bool]) -> None:
        self._store = store
        self._collection = collection
        self._field = field
        self._is_open = is_open

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        filters = [Filter(self._field, "<", before)]
        if start is not None:
            filters.append(Filter(self._field, ">=", datetime.fromisoformat(start)))
        page = min(at_most, MAX_WRITES)
        found = list(self._store.query(Query(self._collection, tuple(filters), (Order(self._field),), limit=page)))
        closed = [document for document in found if self._is_closed(document)]
        removed = len(closed)
        if closed and not dry_run:
            deletes = [Delete(document.path, if_updated_at=document.update_time) for document in closed]
            removed = sum(result.error is None for result in self._store.batch_write(deletes))
        last = None if len(found) < page else found[-1].data[self._field].isoformat()
        # With more of one time than a page holds that are open, the next call would find the same ones again.
        return Removal(removed, len(found), None, last if last != start or removed else None)

    def _is_closed(self, document: Document) -> bool:
        try:
            return not self._is_open(document)
        except DataError:
            return False
