"""How often something happened, over all processes and days: one document a day, `{collection}/{date}`.

A process adds what it has counted every FLUSH times and when it ends; one that is killed loses what it has not added.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import NbactlError
from nbactl.ports.documents import Increment, Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Event, Hook
    from nbactl.ports.documents import DocumentStore, Reader, Transaction

FLUSH: Final = 50
DUPLICATES: Final = "duplicates"
"""The collection of the duplicates that were caught."""
_DUPLICATES: Final = {"idempotency.replayed": "messages", "completions.duplicate": "completions"}
_LOG = logging.getLogger(__name__)


class DailyCounts:
    """Counts for this process. Threads may share it; it never fails what it counts."""

    def __init__(self, collection: str, documents: Callable[[], DocumentStore], clock: Clock) -> None:
        self._collection = collection
        self._documents = documents
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, name: str) -> None:
        """Count one."""
        with self._lock:
            self._counts[name] += 1
            full = self._counts.total() >= FLUSH
        if full:
            self.flush()

    def flush(self) -> None:
        """Add what was counted to the document of the day."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        path = f"{self._collection}/{GameDate.of(self._clock.now())}"

        def write(transaction: Transaction) -> None:
            if transaction.get(path) is None:
                transaction.write(Set(path, counts))
            else:
                transaction.write(Update(path, {name: Increment(count) for name, count in counts.items()}))

        try:
            self._documents().transaction(write)
        except NbactlError as error:
            _LOG.warning("%d of %s are not counted: %s", counts.total(), self._collection, error)


def read_counts(documents: Reader, collection: str, since: datetime, until: datetime) -> Counter[str]:
    """Return the counts of the days from `since` to `until` by one look-up."""
    days = GameDate.of(since).until(GameDate.of(until))
    total: Counter[str] = Counter()
    for document in documents.get_all([f"{collection}/{day}" for day in days]):
        if document is not None:
            total.update({name: count for name, count in document.data.items() if isinstance(count, int)})
    return total


def duplicates_counted(counts: DailyCounts) -> Hook:
    """Return a hook that counts duplicates: messages whose work was done before, and completions on record."""

    def count(event: Event) -> None:
        if (name := _DUPLICATES.get(event.kind)) is not None:
            counts.count(name)

    return count
