"""Load jobs: newline-delimited JSON, uploaded with the request.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
"""

from __future__ import annotations

import json
from decimal import InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.types import Type, identifier, struct_names
from nbactl.testing.bigquery import partitions, schema, values
from nbactl.testing.bigquery.engine import translated
from nbactl.testing.bigquery.errors import ApiError
from nbactl.testing.bigquery.literals import literal
from nbactl.testing.bigquery.store import ALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection

    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Store, Table
    from nbactl.testing.bigquery.transactions import Transactions

_BATCH: Final = 500


def run(store: Store, limits: Limits, transactions: Transactions, job: Job, cursor: DuckDBPyConnection) -> None:
    """Load the rows that came with a job, all of them or none. Raises ApiError."""
    load = job.configuration["load"]
    if load.get("sourceFormat", "CSV") != "NEWLINE_DELIMITED_JSON":
        raise ApiError("notImplemented", "The test server loads NEWLINE_DELIMITED_JSON only")
    target = load["destinationTable"]
    name, _, partition = target["tableId"].partition("$")
    limits.modification((target["datasetId"], name))
    table, created = _table(store, job, load, (target["datasetId"], name))
    try:
        rows = _rows(job.upload, table, ignore_unknown=bool(load.get("ignoreUnknownValues")))
        disposition = load.get("writeDisposition", "WRITE_APPEND")
        if partition:
            _check_partition(table, partition, rows)
        changed = partitions.ids_of(table, rows) | ({partition} if partition else set())
        limits.partitions_modified(table.name, len(changed))
        _write(transactions, job, cursor, table, rows, disposition=disposition, partition=partition)
    except BaseException:
        if created:
            store.drop_table(table)
        raise
    size = sum(len(line) for line in job.upload.splitlines())
    job.loaded = {
        "inputFiles": "1", "inputFileBytes": str(size), "outputRows": str(len(rows)), "outputBytes": str(size),
        "badRecords": "0",
    }  # fmt: skip
    whole = table.partition_field is None or (disposition == "WRITE_TRUNCATE" and not partition)
    store.touch(table, {ALL} if whole else changed)


def _table(store: Store, job: Job, load: dict[str, Any], name: tuple[str, str]) -> tuple[Table, bool]:
    """Return the table to load into, made if it may be, with the columns that may be added."""
    given = schema.normalized((load.get("schema") or {}).get("fields", []))
    with store.lock:
        store.dataset(name[0], job.location)
        if not store.exists(name):
            if load.get("createDisposition") == "CREATE_NEVER":
                store.table(name, job.location)
            if not given:
                raise ApiError("invalid", "No schema specified on job or table.")
            kept: dict[str, Any] = {key: load[key] for key in ("timePartitioning", "clustering") if key in load}
            return store.create_table(name, given, kept), True
        table = store.table(name, job.location)
        store.check_writable(table)
        known = {field["name"].lower(): field for field in table.fields}
        new = [field for field in given if field["name"].lower() not in known]
        _check_schema(store, table, given, known)
        if new and "ALLOW_FIELD_ADDITION" not in (load.get("schemaUpdateOptions") or ()):
            raise ApiError(
                "invalid",
                f"Provided Schema does not match Table {store.project}:{'.'.join(name)}. "
                f"Cannot add fields (field: {new[0]['name']})",
            )
        if new:
            store.add_fields(table, new)
        return table, False


def _check_schema(store: Store, table: Table, given: list[schema.Field], known: dict[str, schema.Field]) -> None:
    for field in given:
        now = known.get(field["name"].lower())
        if now is None:
            continue
        mismatch = f"Provided Schema does not match Table {store.project}:{'.'.join(table.name)}. Field {field['name']}"
        if schema.type_of(now) != schema.type_of(field):
            raise ApiError("invalid", f"{mismatch} has changed type from {now['type']} to {field['type']}")
        if now["mode"] == "NULLABLE" and field["mode"] == "REQUIRED":
            raise ApiError("invalid", f"{mismatch} has changed mode from NULLABLE to REQUIRED")


def _rows(upload: bytes, table: Table, *, ignore_unknown: bool) -> list[list[Any]]:
    rows: list[list[Any]] = []
    at = 0
    for line in upload.split(b"\n"):
        if line.strip():
            try:
                document = json.loads(line)
                if not isinstance(document, dict):
                    raise ValueError("not an object")  # noqa: TRY004, TRY301 - one error for what is not a row
            except ValueError as error:
                raise _bad(len(rows) + 1, at, f"Parser terminated before end of string: {error}") from None
            bad = partial(_bad, len(rows) + 1, at)
            rows.append(row(document, table.fields, bad, ignore_unknown=ignore_unknown))
        at += len(line) + 1
    return rows


def _bad(number: int, position: int, why: str) -> ApiError:
    return ApiError(
        "invalid",
        "Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: "
        f"{number}; errors: 1. Please look into the errors[] collection for more details. "
        f"JSON processing encountered too many errors, giving up. Row starting at position {position}: {why}",
    )


def row(
    document: dict[str, Any], fields: list[schema.Field], bad: Callable[[str], ApiError], *, ignore_unknown: bool
) -> list[Any]:
    """Return the values of a JSON row in the order of the fields. Raises what `bad` makes of a reason."""
    given = {key.lower(): (key, value) for key, value in document.items()}
    found = [
        _cell(given.pop(field["name"].lower(), ("", None))[1], field, bad, ignore_unknown=ignore_unknown)
        for field in fields
    ]
    if given and not ignore_unknown:
        raise bad(f"No such field: {next(iter(given.values()))[0]}.")
    return found


def _cell(value: Any, field: schema.Field, bad: Callable[[str], ApiError], *, ignore_unknown: bool) -> Any:  # noqa: ANN401 - JSON
    name = field["name"]
    if field["mode"] == "REPEATED":
        if value is None:
            return []
        if not isinstance(value, list):
            raise bad(f"Array specified for non-repeated field: {name}.")
        return [_one(part, field, bad, ignore_unknown=ignore_unknown) for part in value]
    if value is None:
        if field["mode"] == "REQUIRED":
            raise bad(f"Missing required field: {name}.")
        return None
    if isinstance(value, list) and field["type"] != "JSON":
        raise bad(f"Array specified for non-repeated field: {name}.")
    return _one(value, field, bad, ignore_unknown=ignore_unknown)


def _one(value: Any, field: schema.Field, bad: Callable[[str], ApiError], *, ignore_unknown: bool) -> Any:  # noqa: ANN401 - JSON
    if field["type"] == "RECORD":
        if not isinstance(value, dict):
            raise bad(f"This field: {field['name']} is not a record.")
        kind = schema.type_of({**field, "mode": "NULLABLE"})
        parts = row(value, field["fields"], bad, ignore_unknown=ignore_unknown)
        return dict(zip(struct_names(kind), parts, strict=True))
    kind = schema.type_of({**field, "mode": "NULLABLE"})
    if kind.kind == "STRING" and not isinstance(value, str):
        value = json.dumps(value)
    try:
        return values.parsed(value, kind)
    except (ValueError, InvalidOperation, OverflowError, TypeError):
        raise bad(
            f"Could not convert value to {_said(kind)}. Field: {field['name']}; Value: {str(value)[:100]}"
        ) from None


def _said(kind: Type) -> str:
    return {"INT64": "integer", "FLOAT64": "double", "BOOL": "boolean"}.get(kind.kind, kind.kind.lower())


def _check_partition(table: Table, partition: str, rows: list[list[Any]]) -> None:
    begin, end = partitions.bounds(table, partition)
    field = table.partition_field
    if field is None:
        raise ApiError(
            "invalid", f"Table {'.'.join(table.name)} is not partitioned, but a partition decorator is given"
        )
    at = [name.lower() for name, _ in table.columns].index(field.lower())
    for one in rows:
        if one[at] is None or not begin <= partitions.as_moment(one[at]) < end:
            raise ApiError(
                "invalid", f"Some rows belong to different partitions rather than destination partition {partition}"
            )


def _write(
    transactions: Transactions, job: Job, cursor: DuckDBPyConnection, table: Table, rows: list[list[Any]], *,
    disposition: str, partition: str,
) -> None:  # fmt: skip
    transaction = transactions.begin(explicit=False)
    committed = False
    try:
        if disposition == "WRITE_TRUNCATE":
            transactions.mutate(transaction, table.name, lambda: job.stop is not None)
        with translated(job):
            cursor.begin()
            where = partitions.condition(table, partition) if partition else "TRUE"
            if disposition == "WRITE_EMPTY":
                cursor.execute(f"SELECT 1 FROM {table.sql} WHERE {where} LIMIT 1")
                if cursor.fetchone() is not None:
                    raise ApiError("duplicate", f"Already Exists: Table {'.'.join(table.name)}")
            if disposition == "WRITE_TRUNCATE":
                cursor.execute(f"DELETE FROM {table.sql} WHERE {where}")
            insert(cursor, table, rows)
            cursor.commit()
            committed = True
    finally:
        if not committed:
            _undo(cursor)
        transactions.end(transaction, committed=committed)


def _undo(cursor: DuckDBPyConnection) -> None:
    import duckdb

    try:
        cursor.rollback()
    except duckdb.TransactionException:
        return


def insert(cursor: DuckDBPyConnection, table: Table, rows: list[list[Any]]) -> None:
    """Insert rows, whose values are in the order of the table's columns."""
    kinds = [kind for _, kind in table.columns]
    plain = all(kind.element is None and kind.kind != "STRUCT" for kind in kinds)
    if plain and not table.generations:  # which has a column of its own
        if rows:
            with cursor.appender(table.sql.replace('"', "")) as appender:
                appender.append_rows([tuple(one) for one in rows])
        return
    for start in range(0, len(rows), _BATCH):
        listed = ", ".join(
            "(" + ", ".join(literal(value, kind) for value, kind in zip(one, kinds, strict=True)) + ")"
            for one in rows[start : start + _BATCH]
        )
        names = ", ".join(identifier(name) for name, _ in table.columns)
        cursor.execute(f"INSERT INTO {table.sql} ({names}) VALUES {listed}")
