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
    partition_modifications: int = 30_000
    """Partitions of one table that load jobs and query jobs write, a day; DML is not counted."""
    dml_outstanding: int = 22
    """UPDATE, DELETE and MERGE statements on one table: two that run and 20 that wait. (Here one runs at a time.)"""
    dml_conflicts: bool = False
    """Whether such a statement fails that meets another one on the same partition. Otherwise it waits, as if one of
    the three attempts that the service makes by itself succeeded:
    https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts."""
    response_bytes: int = _WHOLE
    """Bytes of a query's result."""
    block_rows: int = 1_000_000
    """Rows of a block of a clustered table; the service chooses the size of blocks by that of the table."""
    billed_minimum: int = 10 * 2**20
    """Bytes that are billed at least for each table that a query reads."""
    _updates: dict[Name, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))
    _modified: dict[Name, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))
    _partitions: dict[Name, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))

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

    def partitions_modified(self, table: Name, count: int) -> None:
        """Count the partitions that a job writes. Raises ApiError quotaExceeded."""
        if not self._counted(self._partitions[table], timedelta(days=1), self.partition_modifications, count):
            raise ApiError(
                "quotaExceeded",
                "Quota exceeded: Your table exceeded quota for Number of partition modifications to a column "
                f"partitioned table. {QUOTAS}",
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

    def _counted(self, seen: deque[datetime], window: timedelta, limit: int, count: int = 1) -> bool:
        now = self.clock.now()
        while seen and seen[0] <= now - window:
            seen.popleft()
        if len(seen) + count > limit:
            return False
        seen.extend([now] * count)
        return True
