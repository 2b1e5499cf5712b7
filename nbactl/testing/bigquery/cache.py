"""The query cache: https://cloud.google.com/bigquery/docs/cached-results.

A result is kept for 24 hours while the tables that it read are unchanged, and used for a query with the same text and
parameters. Not kept: results of queries that are not deterministic or write to a table that the caller named, and of
tables with rows in the streaming buffer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.testing.bigquery.session import NOW, TEMP

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.session import Result, Session

_CHANGING: Final = {"RAND", "GENERATE_UUID", "SESSION_USER", "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_DATETIME"}
_AGE: Final = timedelta(hours=24)
Key = tuple[Any, ...]


class Cache:
    """Results by query."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[datetime, Result]] = {}

    def key(self, job: Job, session: Session, tree: exp.Expr) -> Key | None:
        """Return what a result is kept under, None for a query whose result is not kept."""
        if job.query.get("useQueryCache") is False or job.query.get("destinationTable") or job.parent is not None:
            return None
        calls = {str(call.this).upper() for call in tree.find_all(exp.Anonymous)}
        if calls & _CHANGING or any(column.name == NOW for column in tree.find_all(exp.Column)):
            return None
        if any(table.db == TEMP for table in tree.find_all(exp.Table)) or not session.references:
            return None
        tables = [session.store.table(name) for name in session.references]
        if any(table.buffered(session.now) or table.is_view for table in tables):
            return None
        given = tuple((name, repr(value)) for name, value in session.parameters.items())
        return job.sql, session.default_dataset, given, tuple((table.name, table.etag) for table in tables)

    def get(self, key: Key, now: datetime) -> Result | None:
        """Return a result that is not older than a day."""
        found = self._kept.get(key)
        return None if found is None or now - found[0] >= _AGE else found[1]

    def put(self, key: Key, result: Result, now: datetime) -> None:
        """Keep a result."""
        self._kept[key] = (now, result)
