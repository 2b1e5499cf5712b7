"""How often the cache of results answered, over all processes and days: one document a day, `query_cache/{date}`.

A process adds what it has counted every FLUSH queries and when it ends; one that is killed loses what it has not added.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import NbactlError
from nbactl.ports.documents import Increment, Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.warehouse.kinds import QueryKind

COLLECTION: Final = "query_cache"
FLUSH: Final = 50
Outcome = Literal["hits", "misses", "bypassed"]
"""A query is bypassed that the cache must not answer: a table may change unseen, or the answer may."""
_LOG = logging.getLogger(__name__)


class CacheCounts:
    """Counts the answers of this process's cache. Threads may share it; it never fails a query."""

    def __init__(self, documents: Callable[[], DocumentStore], clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, kind: QueryKind, outcome: Outcome) -> None:
        """Count one query."""
        with self._lock:
            self._counts[f"{kind}_{outcome}"] += 1
            full = self._counts.total() >= FLUSH
        if full:
            self.flush()

    def flush(self) -> None:
        """Add what was counted to the document of the day."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        path = f"{COLLECTION}/{GameDate.of(self._clock.now())}"

        def write(transaction: Transaction) -> None:
            if transaction.get(path) is None:
                transaction.write(Set(path, counts))
            else:
                transaction.write(Update(path, {name: Increment(count) for name, count in counts.items()}))

        try:
            self._documents().transaction(write)
        except NbactlError as error:
            _LOG.warning("%d answers of the query cache are not counted: %s", counts.total(), error)


def read_counts(documents: DocumentStore, since: datetime, until: datetime) -> Counter[str]:
    """Return the counts of the days from `since` to `until`: `decisions_hits`, `logs_misses` and so on."""
    days = GameDate.of(since).until(GameDate.of(until))
    total: Counter[str] = Counter()
    for document in documents.get_all([f"{COLLECTION}/{day}" for day in days]):
        if document is not None:
            total.update({name: count for name, count in document.data.items() if isinstance(count, int)})
    return total
