"""Documents that record what happened at a time, such as decisions: those before a time go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from nbactl.core.retention.model import Removal
from nbactl.errors import DataError
from nbactl.ports.documents import MAX_WRITES, Delete, Document, Filter, Order, Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore


class OldDocuments:
    """Removes the documents of a collection by the time in `field`, but those that `is_open` says it of."""

    def __init__(self, store: DocumentStore, collection: str, field: str, is_open: Callable[[Document], bool]) -> None:
        self._store = store
        self._collection = collection
        self._field = field
        self._is_open = is_open

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        page = min(at_most, MAX_WRITES)
        query = Query(self._collection, (Filter(self._field, "<", before),), (Order(self._field),), limit=page)
        found = list(self._store.query(query if start is None else self._continued(query, start)))
        closed = [document for document in found if self._is_closed(document)]
        removed = len(closed)
        if closed and not dry_run:
            deletes = [Delete(document.path, if_updated_at=document.update_time) for document in closed]
            removed = sum(result.error is None for result in self._store.batch_write(deletes))
        resume = f"{found[-1].data[self._field].isoformat()} {found[-1].id}" if len(found) == page else None
        return Removal(removed, len(found), None, resume)

    def _continued(self, query: Query, start: str) -> Query:
        """Return the query of what comes after the last document of the call before."""
        at, _, identifier = start.partition(" ")
        time = datetime.fromisoformat(at)
        last = Document(f"{self._collection}/{identifier}", {self._field: time}, time, time)
        # The filter says where the index is entered.
        return replace(query, filters=(*query.filters, Filter(self._field, ">=", time)), start_after=last)

    def _is_closed(self, document: Document) -> bool:
        try:
            return not self._is_open(document)
        except DataError:
            return False
