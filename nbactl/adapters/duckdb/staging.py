"""Rows on their way into a table: put aside in a temporary table, and checked there before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.catalog import bigquery_type, duckdb_type, quoted
from nbactl.core._support.warehouse_values import (
    check_columns,
    check_query_type,
    check_rows,
    null_in_required,
    outside_partitions,
    partition_of,
    stale_fence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from duckdb import DuckDBPyConnection

    from nbactl.adapters.duckdb.dialect import Translated
    from nbactl.ports.warehouse import Fence, Rows, TableSchema


def check_and_record(cursor: DuckDBPyConnection, table: str, days: Sequence[date], fence: Fence) -> None:
    """Refuse if a partition was written under a greater token, else record this one, in the caller's transaction."""
    here = {"name": table, "days": list(days)}
    cursor.execute(
        "SELECT day, token, holder FROM nbactl_internal.partition_fences "
        "WHERE table_name = $name AND list_contains(CAST($days AS DATE[]), day) AND token > $token",
        {**here, "token": fence.token},
    )
    if newer := cursor.fetchall():
        day, token, holder = max(newer, key=lambda fence: fence[1])
        raise stale_fence(table, day, fence, token, holder)
    cursor.execute(
        "DELETE FROM nbactl_internal.partition_fences "
        "WHERE table_name = $name AND list_contains(CAST($days AS DATE[]), day)",
        here,
    )
    cursor.execute(
        "INSERT INTO nbactl_internal.partition_fences "
        "SELECT $name, UNNEST(CAST($days AS DATE[])), CAST($token AS BIGINT), $holder",
        {**here, "token": fence.token, "holder": fence.holder},
    )


STAGE: Final = "temp.nbactl_stage"
_UNTYPED: Final = '"NULL"'


def insert(cursor: DuckDBPyConnection, columns: tuple[str, ...], schema: TableSchema) -> int:
    """Copy the stage into the table; returns the number of rows."""
    listed = ", ".join(quoted(name) for name in columns)
    cursor.execute(f"INSERT INTO {quoted(schema.name)} ({listed}) SELECT {listed} FROM {STAGE}")
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def drop_known(cursor: DuckDBPyConnection, schema: TableSchema, key: str) -> None:
    """Take the rows out of the stage whose key is in the table."""
    cursor.execute(
        f"DELETE FROM {STAGE} AS new WHERE EXISTS "
        f"(SELECT 1 FROM {quoted(schema.name)} AS old WHERE old.{quoted(key)} = new.{quoted(key)})"
    )


def days(cursor: DuckDBPyConnection, columns: tuple[str, ...], schema: TableSchema) -> list[date]:
    """Return the partitions that the staged rows belong to."""
    if schema.partition_by not in columns:
        return []
    day = f"CAST({quoted(schema.partition_by)} AS DATE)"
    cursor.execute(f"SELECT DISTINCT {day} FROM {STAGE} WHERE {day} IS NOT NULL")
    return [found for (found,) in cursor.fetchall()]


def check_days(cursor: DuckDBPyConnection, columns: tuple[str, ...], schema: TableSchema, days: Sequence[date]) -> None:
    """Raise DataError if a staged row lies outside `days`."""
    partition = partition_of(schema, columns)
    cursor.execute(
        f"SELECT DISTINCT CAST({quoted(partition)} AS DATE) AS day FROM {STAGE} "
        "WHERE day IS NULL OR NOT list_contains(CAST($days AS DATE[]), day)",
        {"days": list(days)},
    )
    if outside := [day for (day,) in cursor.fetchall()]:
        raise outside_partitions(schema, days, outside)


def stage_rows(cursor: DuckDBPyConnection, rows: Rows, schema: TableSchema) -> tuple[str, ...]:
    """Put rows into the stage; returns their columns. Raises DataError for what does not fit."""
    values = check_rows(rows, schema)
    types = {column.name: duckdb_type(column.type) for column in schema.columns}
    declared = ", ".join(f"{quoted(name)} {types[name]}" for name in rows.columns)
    cursor.execute(f"CREATE TEMP TABLE nbactl_stage ({declared})")
    with cursor.appender(STAGE) as appender:
        appender.append_rows(values)
    return rows.columns


def stage_query(
    cursor: DuckDBPyConnection, query: Translated, parameters: dict[str, Any], schema: TableSchema
) -> tuple[str, ...]:
    """Put a query's rows into the stage; returns their columns. Raises DataError for what does not fit."""
    cursor.execute(f"CREATE TEMP TABLE nbactl_stage AS {query.sql}", parameters)
    cursor.execute(f"DESCRIBE {STAGE}")
    found = {row[0]: row[1] for row in cursor.fetchall()}
    columns = tuple(found)
    check_columns(columns, schema)
    for column in schema.columns:
        kind = found.get(column.name)
        if kind not in (None, _UNTYPED):
            given = bigquery_type(kind)
            check_query_type(schema, column, given or kind, widens=(given, column.type) == ("STRING", "JSON"))
    _check_required(cursor, columns, schema)
    return columns


def _check_required(cursor: DuckDBPyConnection, columns: tuple[str, ...], schema: TableSchema) -> None:
    required = [column.name for column in schema.columns if column.required and column.name in columns]
    if not required:
        return
    nulls = ", ".join(f"COUNT(*) - COUNT({quoted(name)})" for name in required)
    cursor.execute(f"SELECT {nulls} FROM {STAGE}")
    counts: tuple[Any, ...] = cursor.fetchone() or ()
    for name, count in zip(required, counts, strict=True):
        if count:
            raise null_in_required(schema, name, count)
