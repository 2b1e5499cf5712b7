"""What the queries of a table cost before it was changed, kept so that the change can prove its gain.

`bq apply` captures and stores a baseline before its first change, and records when it was done. Documents
`bq_baselines/{table}`, one for each table, the newest.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import EASTERN
from nbactl.core._support.ids import encode_id
from nbactl.ports.documents import Query, Set, Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import JobHistory, WarehouseJob

COLLECTION: Final = "bq_baselines"
FORM: Final = "nbactl/bq-baseline/v1"
DAYS: Final = 28
"""Four of each weekday."""
_MOST: Final = 500
"""Queries that are kept, those with the most bytes: with more a document could exceed Firestore's 1 MiB."""
JOBS, BILLED, SLOT_MS = range(3)
"""The numbers of a weekday: jobs, bytes billed, slot time in milliseconds."""


def capture_baseline(history: JobHistory, table: str, *, now: datetime, timeout: float) -> dict[str, Any]:
    """Return the statistics of the queries that read `table` (`dataset.table`) in the last 28 days, as a document.

    Keys: form, table, captured_at, since, applied_at (None), queries, queries_left_out. Each query has query_hash and
    weekdays: for "0" (Monday in Eastern time) to "6" a list of jobs, bytes billed and slot milliseconds. It asks the
    history once, which may be billed; `timeout` is in seconds. Raises what the history raises.
    """
    since = now - timedelta(days=DAYS)
    queries = by_query(history.jobs(since, now, timeout=timeout), table)
    ranked = sorted(queries.items(), key=lambda item: -sum(day[BILLED] for day in item[1].values()))
    return {
        "form": FORM,
        "table": table,
        "captured_at": now,
        "since": since,
        "applied_at": None,
        "queries": [{"query_hash": key, "weekdays": days} for key, days in ranked[:_MOST]],
        "queries_left_out": max(0, len(ranked) - _MOST),
    }


def store_baseline(documents: DocumentStore, baseline: dict[str, Any]) -> None:
    """Keep a baseline in place of an earlier one of the same table. Raises what the store raises."""
    documents.commit([Set(_path(baseline["table"]), baseline)])


def record_applied(documents: DocumentStore, table: str, *, at: datetime) -> None:
    """Record that the last change of a table was made. Raises NotFoundError without a baseline."""
    documents.commit([Update(_path(table), {"applied_at": at})])


def record_undone(documents: DocumentStore, table: str, *, at: datetime) -> None:
    """Record that the change of a table was undone: it has no gain. Raises NotFoundError without a baseline."""
    documents.commit([Update(_path(table), {"undone_at": at})])


def read_baseline(documents: DocumentStore, table: str) -> dict[str, Any] | None:
    """Return the baseline of a table, None if there is none."""
    found = documents.get(_path(table))
    return None if found is None else found.data


def all_baselines(documents: DocumentStore) -> Iterator[dict[str, Any]]:
    """Yield the baselines of all tables."""
    return (document.data for document in documents.query(Query(COLLECTION)))


def by_query(jobs: Iterable[WarehouseJob], table: str) -> dict[str, dict[str, list[int]]]:
    """Return the numbers of the queries that read a table by hash and weekday; those without a hash are left out."""
    found: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for job in jobs:
        if job.kind == "query" and job.query_hash is not None and table in job.referenced:
            weekday = str(job.created_at.astimezone(EASTERN).weekday())
            numbers = found[job.query_hash].setdefault(weekday, [0, 0, 0])
            numbers[JOBS] += 1
            numbers[BILLED] += job.bytes_billed
            numbers[SLOT_MS] += job.slot_ms
    return dict(found)


def _path(table: str) -> str:
    return f"{COLLECTION}/{encode_id(table)}"
