"""Removes old steps from the history of migrations; never the last ones, from which a rollback goes back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.retention.model import Removal
from nbactl.errors import DataError
from nbactl.migrations.record import MIGRATIONS
from nbactl.ports.documents import Query, Update

if TYPE_CHECKING:
    from nbactl.ports.documents import Document, DocumentStore, Transaction

_KEPT: Final = 10
"""The newest steps of each migration: more than the seven stages of the longest."""


class OldMigrationSteps:
    """Removes steps from the documents of migrations, each in a transaction of its own."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        total = Removal()
        for migration in self._store.query(Query(MIGRATIONS)):
            if start is not None and migration.id < start:
                continue
            if total.examined >= at_most:
                return Removal(total.removed, total.examined, None, migration.id)
            removed = len(_old_steps(migration, before))
            if removed and not dry_run:
                removed = self._store.transaction(partial(_trim, path=migration.path, before=before))
            total = total.and_then(Removal(removed, 1))
        return total


def _trim(transaction: Transaction, path: str, before: datetime) -> int:
    document = transaction.get(path)
    old = [] if document is None else _old_steps(document, before)
    if document is not None and old:
        transaction.write(Update(path, {"history": document.data["history"][len(old) :]}))
    return len(old)


def _old_steps(document: Document, before: datetime) -> list[Any]:
    """Return the oldest steps, as far as they are before the time and not among the last ones."""
    try:
        history = document.data.get("history")
    except DataError:
        return []
    if not isinstance(history, list):
        return []  # a change of a table keeps none
    old = []
    for step in history[:-_KEPT]:
        at = step.get("at") if isinstance(step, dict) else None
        if not isinstance(at, datetime) or at >= before:
            break
        old.append(step)
    return old
