"""Deletes documents whose `expires_at` has passed, where no TTL policy of the database does it (SQLite)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.alerts import COLLECTION as ALERTS
from nbactl.core.alerts import CONDITIONS
from nbactl.core.once.idempotency import COLLECTION as MESSAGES
from nbactl.core.outbox.outbox import COLLECTION as OUTBOX
from nbactl.ports.documents import MAX_WRITES, Delete, Filter, Order, Query

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore

EXPIRING: Final = (ALERTS, CONDITIONS, MESSAGES, OUTBOX)
"""The collections whose documents expire; each has a TTL policy in firestore.indexes.json."""


def sweep_expired(store: DocumentStore, collection: str, clock: Clock) -> int:
    """Delete the documents of `collection` that have expired; returns how many.

    One that was changed since it was read stays: it may have been given a new life.
    """
    expired = Query(collection, (Filter("expires_at", "<=", clock.now()),), (Order("expires_at"),), limit=MAX_WRITES)
    swept = 0
    while found := list(store.query(expired)):
        results = store.batch_write([Delete(document.path, if_updated_at=document.update_time) for document in found])
        deleted = sum(result.error is None for result in results)
        swept += deleted
        if deleted < len(found):
            break
    return swept
