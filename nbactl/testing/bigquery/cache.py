"""The query cache: https://cloud.google.com/bigquery/docs/cached-results.

A result is kept for 24 hours while the tables that it read are unchanged, and used for a query with the same text and
parameters. Not kept: results of queries that are not deterministic or write to a table that the caller named, and of
tables with rows in the streaming buffer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.testing.bigquery.session import TEMP

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
        self._now: datetime | None = None

    def key(self, job: Job, session: Session, tree: exp.Expr) -> Key | None:
        """Return what a result is kept under, None for a query whose result is not kept."""
        self._now = session.now
        if job.query.get("useQueryCache") is False or job.query.get("destinationTable") or job.parent is not None:
            return None
        if any(column.name == "@@current_timestamp" for column in tree.find_all(exp.Column)):
            return None
        if any(str(call.this).upper() in _CHANGING for call in tree.find_all(exp.Anonymous)):
            return None
        versions = []
        for name in session.references:
            if name[0] == TEMP:
                return None
            table = session.store.table(name)
            if table.streamed or table.is_view:
                return None
            versions.append((name, table.etag))
        if any(table.db == TEMP for table in tree.find_all(exp.Table)) or not versions:
            return None
        given = tuple((name, repr(value)) for name, value in session.parameters.items())
        return job.sql, session.default_dataset, given, tuple(versions)

    def get(self, key: Key) -> Result | None:
        """Return a result that is not older than a day."""
        found = self._kept.get(key)
        if found is None or (self._now is not None and self._now - found[0] >= _AGE):
            return None
        return found[1]

    def put(self, key: Key, result: Result) -> None:
        """Keep a result."""
        if self._now is not None:
            self._kept[key] = (self._now, result)
