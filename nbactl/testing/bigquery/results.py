"""Rows of results and tables on the wire, and results that are written to a table.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.testing.bigquery import partitions, values
from nbactl.testing.bigquery.engine import translated
from nbactl.testing.bigquery.errors import ApiError
from nbactl.testing.bigquery.loads import insert
from nbactl.testing.bigquery.store import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.session import Result
    from nbactl.testing.bigquery.store import Store
    from nbactl.testing.bigquery.transactions import Transactions


def rows(result: Result, page: Sequence[tuple[Any, ...]], *, int64_timestamps: bool) -> list[dict[str, Any]]:
    """Return rows as the REST API writes them: `{"f": [{"v": …}, …]}`."""
    kinds = [kind for _, kind in result.columns]
    return [
        {
            "f": [
                {"v": values.cell(value, kind, int64_timestamps=int64_timestamps)}
                for value, kind in zip(row, kinds, strict=True)
            ]
        }
        for row in page
    ]


def write(store: Store, limits: Limits, transactions: Transactions, job: Job, cursor: DuckDBPyConnection) -> None:
    """Write a query's result to the table that its configuration names."""
    result = job.result
    if result is None:
        return
    target = job.query["destinationTable"]
    base, _, partition = target["tableId"].partition("$")
    name = (target["datasetId"], base)
    limits.modification(name)
    disposition = job.query.get("writeDisposition", "WRITE_EMPTY")
    with store.lock:
        if not store.exists(name):
            if job.query.get("createDisposition") == "CREATE_NEVER":
                store.table(name, job.location)
            layout: dict[str, Any] = {
                key: job.query[key] for key in ("timePartitioning", "clustering") if key in job.query
            }
            store.create_table(name, result.fields, layout)
        table = store.table(name, job.location)
        store.check_writable(table)
    if [(column.lower(), kind) for column, kind in table.columns] != [(c.lower(), kind) for c, kind in result.columns]:
        if disposition != "WRITE_TRUNCATE" or partition:
            raise ApiError("invalid", f"Provided Schema does not match Table {store.project}:{'.'.join(name)}.")
        kept = dict(table.resource)
        store.drop_table(table)
        table = store.create_table(name, result.fields, kept)
    limits.partitions_modified(name, len(partitions.ids_of(table, result.rows)))
    transaction = transactions.begin(explicit=False)
    committed = False
    try:
        if disposition == "WRITE_TRUNCATE":
            transactions.mutate(transaction, name, lambda: job.stop is not None)
        where = partitions.condition(table, partition) if partition else "TRUE"
        with translated(job):
            cursor.execute(f"SELECT 1 FROM {table.sql} WHERE {where} LIMIT 1")
            if disposition == "WRITE_EMPTY" and cursor.fetchone() is not None:
                raise ApiError("duplicate", f"Already Exists: Table {store.project}:{'.'.join(name)}")
            cursor.begin()
            if disposition == "WRITE_TRUNCATE":
                cursor.execute(f"DELETE FROM {table.sql} WHERE {where}")
            insert(cursor, table, [list(row) for row in result.rows])
            cursor.commit()
        committed = True
    finally:
        transactions.end(transaction, committed=committed)
    store.touch(table, [ALL])
