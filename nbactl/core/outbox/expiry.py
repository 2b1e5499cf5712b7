"""Deletes documents whose `expires_at` has passed, where no TTL policy of the database does it (SQLite)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.alerts import COLLECTION as ALERTS
from nbactl.core.alerts import CONDITIONS
from nbactl.core.once.idempotency import COLLECTION as MESSAGES
from nbactl.core.outbox.messages import COLLECTION as OUTBOX
from nbactl.ports.documents import MAX_WRITES, Delete, Filter, Order, Query

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore

EXPIRING: Final = (ALERTS, CONDITIONS, MESSAGES, OUTBOX)
"""The collections whose documents expire; each has a TTL policy in firestore.indexes.json."""
AT_ONCE: Final = 5_000
"""How many documents of a collection one sweep deletes: about 0.2 s. What is left expires no further."""


def sweep_expired(store: DocumentStore, collection: str, clock: Clock, *, limit: int = AT_ONCE) -> int:
    """Delete documents of `collection` that have expired, the oldest first, at most `limit`; returns how many.

    One that was changed since it was read stays: it may have been given a new life.
    """
    expired = Query(collection, (Filter("expires_at", "<=", clock.now()),), (Order("expires_at"),), limit=limit)
    deletes = [Delete(document.path, if_updated_at=document.update_time) for document in store.query(expired)]
    chunks = (deletes[start : start + MAX_WRITES] for start in range(0, len(deletes), MAX_WRITES))
    return sum(result.error is None for chunk in chunks for result in store.batch_write(chunk))
