"""Quotas that a test can make small: https://cloud.google.com/bigquery/quotas."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.testing.bigquery.errors import QUOTAS, ApiError

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.testing.bigquery.session import Result
    from nbactl.testing.bigquery.store import Name, Table

_WHOLE: Final = 10 * 2**30


@dataclass
class Limits:
    """The limits in force, and what was used of them."""

    clock: Clock
    metadata_updates: int = 5
    """Updates of one table's metadata in ten seconds."""
    table_modifications: int = 1500
    """Load jobs and query jobs that write to one table, a day."""
    response_bytes: int = _WHOLE
    """Bytes of a query's result."""
    block_rows: int = 1_000_000
    """Rows of a block of a clustered table; the service chooses the size of blocks by that of the table."""
    billed_minimum: int = 10 * 2**20
    """Bytes that are billed at least for each table that a query reads."""
    _updates: dict[Name, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))
    _modified: dict[Name, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))

    def metadata_update(self, table: Table) -> None:
        """Count an update of metadata. Raises ApiError rateLimitExceeded."""
        if not self._counted(self._updates[table.name], timedelta(seconds=10), self.metadata_updates):
            raise ApiError(
                "rateLimitExceeded",
                f"Exceeded rate limits: too many table update operations for this table. {QUOTAS}",
            )

    def modification(self, table: Name) -> None:
        """Count a job that writes to a table. Raises ApiError quotaExceeded."""
        if not self._counted(self._modified[table], timedelta(days=1), self.table_modifications):
            raise ApiError(
                "quotaExceeded",
                f"Quota exceeded: Your table exceeded quota for imports or query appends per table. {QUOTAS}",
            )

    def response(self, result: Result, *, destination: bool) -> None:
        """Raise ApiError responseTooLarge for a result that is too large and is not written to a table."""
        size = sum(len(str(value)) for row in result.rows for value in row) if self.response_bytes < _WHOLE else 0
        if size > self.response_bytes and not destination:
            raise ApiError(
                "responseTooLarge",
                "Response too large to return. Consider specifying a destination table in your job configuration. "
                "For more details, see https://cloud.google.com/bigquery/troubleshooting-errors",
            )

    def _counted(self, seen: deque[datetime], window: timedelta, limit: int) -> bool:
        now = self.clock.now()
        while seen and seen[0] <= now - window:
            seen.popleft()
        if len(seen) >= limit:
            return False
        seen.append(now)
        return True
