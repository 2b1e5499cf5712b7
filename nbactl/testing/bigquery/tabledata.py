"""The methods of table data: https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb.sql.types import identifier
from nbactl.testing.bigquery import loads, partitions, results, values
from nbactl.testing.bigquery.errors import ApiError
from nbactl.testing.bigquery.http import offset, token_of
from nbactl.testing.bigquery.session import Result
from nbactl.testing.bigquery.store import ALL

if TYPE_CHECKING:
    from nbactl.testing.bigquery.http import Request
    from nbactl.testing.bigquery.store import Store


def listed(store: Store, request: Request, dataset: str, name: str) -> dict[str, Any]:
    """Return a page of a table's rows, or of a partition's with a decorator."""
    base, _, partition = name.partition("$")
    table = store.table((dataset, base))
    if table.is_view:
        raise ApiError("invalid", f"Cannot list a table of type VIEW. (table: {store.project}:{dataset}.{base})")
    where = partitions.condition(table, partition) if partition else "TRUE"
    columns = table.columns
    if wanted := request.parameters.get("selectedFields"):
        chosen = [column.lower() for column in wanted.split(",")]
        columns = tuple(column for column in columns if column[0].lower() in chosen)
    start = request.number("startIndex", 0) + offset(request.parameters.get("pageToken"))
    size = request.number("maxResults", 100_000)
    names = [column for column, _ in columns]
    listed_columns = ", ".join(identifier(column) for column in names)
    with store.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table.sql} WHERE {where}")
        total = (cursor.fetchone() or (0,))[0]
        sql = f"SELECT {listed_columns} FROM {table.sql} WHERE {where} LIMIT {size} OFFSET {start}"
        cursor.execute(values.fetched(sql, columns, names))
        found = cursor.fetchall()
    int64 = request.parameters.get("formatOptions.useInt64Timestamp", "").lower() == "true"
    answer: dict[str, Any] = {"kind": "bigquery#tableDataList", "etag": table.etag, "totalRows": str(total)}
    if found:
        answer["rows"] = results.rows(Result(columns, names, found), found, int64_timestamps=int64)
    if start + size < total:
        answer["pageToken"] = token_of(start + size)
    return answer


def insert_all(store: Store, request: Request, dataset: str, name: str) -> dict[str, Any]:
    """Stream rows into a table. Rows that do not fit are answered in `insertErrors`, and then none is inserted.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll
    """
    body = request.json
    table = store.table((dataset, name.partition("$")[0]))
    store.check_writable(table)
    good, errors = [], []
    for index, entry in enumerate(body.get("rows") or ()):
        try:
            good.append(
                loads.row(
                    entry.get("json") or {}, table.fields, lambda why: ApiError("invalid", why),
                    ignore_unknown=bool(body.get("ignoreUnknownValues")),
                )
            )  # fmt: skip
        except ApiError as error:
            errors.append({"index": index, "errors": [{**error.proto(), "location": "", "debugInfo": ""}]})
    if errors and not body.get("skipInvalidRows"):
        bad = {entry["index"] for entry in errors}
        stopped = {"reason": "stopped", "location": "", "debugInfo": "", "message": ""}
        errors += [{"index": n, "errors": [stopped]} for n in range(len(body.get("rows") or ())) if n not in bad]
        good = []
    if good:
        with store.lock, store.cursor() as cursor:
            loads.insert(cursor, table, good)
            table.streamed += [store.clock.now()] * len(good)
            store.touch(table, [ALL])
    answer: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
    return answer | ({"insertErrors": errors} if errors else {})
