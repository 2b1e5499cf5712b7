"""How often the cache of results answered, over all processes and days: one document a day, `query_cache/{date}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from nbactl.core.observe import daily_counts
from nbactl.core.observe.daily_counts import DailyCounts

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore
    from nbactl.warehouse.kinds import QueryKind

COLLECTION: Final = "query_cache"
Outcome = Literal["hits", "misses", "bypassed"]
"""A query is bypassed that the cache must not answer: a table may change unseen, or the answer may."""


class CacheCounts(DailyCounts):
    """Counts the answers of this process's cache. Threads may share it; it never fails a query."""

    def __init__(self, documents: Callable[[], DocumentStore], clock: Clock) -> None:
        super().__init__(COLLECTION, documents, clock)

    def add(self, kind: QueryKind, outcome: Outcome) -> None:
        """Count one query."""
        self.count(f"{kind}_{outcome}")


def read_counts(documents: DocumentStore, since: datetime, until: datetime) -> Counter[str]:
    """Return the counts of the days from `since` to `until`: `decisions_hits`, `logs_misses` and so on."""
    return daily_counts.read_counts(documents, COLLECTION, since, until)
