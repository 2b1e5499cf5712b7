"""Partitions of tables: their ids, their rows, and the logical bytes of their columns.

https://cloud.google.com/bigquery/docs/partitioned-tables and https://cloud.google.com/bigquery/pricing#data
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.types import Type, identifier, struct_names, text
from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from duckdb import DuckDBPyConnection

    from nbactl.testing.bigquery.store import Table

_FORMS: Final = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
NULL_PARTITION: Final = "__NULL__"
WHOLE: Final = "__UNPARTITIONED__"
_FIXED: Final = {
    "INT64": 8,
    "FLOAT64": 8,
    "NUMERIC": 16,
    "BOOL": 1,
    "DATE": 8,
    "DATETIME": 8,
    "TIME": 8,
    "TIMESTAMP": 8,
}
_FIXED_INTERVAL: Final = {"INTERVAL": 16}


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: its id, its rows, and the logical bytes of each column."""

    id: str
    rows: int
    bytes: dict[str, int]


def size_sql(sql: str, kind: Type) -> str:
    """Return the engine's expression for the logical bytes of a value; a NULL has none."""
    if kind.element is not None:
        return f"COALESCE(list_sum(list_transform({sql}, lambda _x: {size_sql('_x', kind.element)})), 0)"
    if kind.kind == "STRUCT":
        parts = (
            size_sql(f"struct_extract({sql}, {text(name)})", part)
            for name, (_, part) in zip(struct_names(kind), kind.fields, strict=True)
        )
        return f"(CASE WHEN {sql} IS NULL THEN 0 ELSE {' + '.join(parts)} END)"
    if kind.kind in ("STRING", "JSON"):
        return f"COALESCE(2 + strlen(CAST({sql} AS VARCHAR)), 0)"
    if kind.kind == "BYTES":
        return f"COALESCE(2 + octet_length({sql}), 0)"
    size = (_FIXED | _FIXED_INTERVAL).get(kind.kind, 8)
    return f"(CASE WHEN {sql} IS NULL THEN 0 ELSE {size} END)"


def id_sql(table: Table) -> str:
    """Return the engine's expression for the id of the partition that a row is in."""
    field = table.partition_field
    if field is None:
        return text(WHOLE)
    kinds = {name.lower(): kind for name, kind in table.columns}
    column = identifier(field)
    if kinds[field.lower()].kind == "TIMESTAMP":
        column = f"timezone('UTC', {column})"
    return f"COALESCE(strftime({column}, {text(form(table))}), {text(NULL_PARTITION)})"


def form(table: Table) -> str:
    """Return how the ids of a table's partitions are written."""
    return _FORMS[(table.resource.get("timePartitioning") or {}).get("type", "DAY")]


def known(cursor: DuckDBPyConnection, table: Table) -> list[Partition]:
    """Return what `of` does of the rows that are committed; counted once while the table stays as it is."""
    kept = table.counted
    if kept is not None and kept[0] == table.version:
        return kept[1]
    version, found = table.version, of(cursor, table)
    table.counted = version, found
    return found


def of(cursor: DuckDBPyConnection, table: Table) -> list[Partition]:
    """Return the partitions that have rows, by id; a table that is not partitioned is one."""
    sizes = [f"CAST(SUM({size_sql(identifier(name), kind)}) AS BIGINT)" for name, kind in table.columns]
    listed = "".join(f", {size}" for size in sizes)
    cursor.execute(f"SELECT {id_sql(table)} AS _id, COUNT(*){listed} FROM {table.sql} GROUP BY 1 ORDER BY 1")
    names = [name.lower() for name, _ in table.columns]
    return [Partition(row[0], row[1], dict(zip(names, row[2:], strict=True))) for row in cursor.fetchall()]


def totals(cursor: DuckDBPyConnection, table: Table) -> tuple[int, int]:
    """Return the number of rows and the logical bytes of a table."""
    found = known(cursor, table) if table.fields else []
    return sum(one.rows for one in found), sum(sum(one.bytes.values()) for one in found)


def bounds(table: Table, partition: str) -> tuple[datetime, datetime]:
    """Return begin and end of a partition, in UTC. Raises ApiError for an id of another form."""
    try:
        begin = datetime.strptime(partition, form(table)).replace(tzinfo=UTC)
    except ValueError:
        raise ApiError("invalid", f"Invalid time partitioning id: {partition}") from None
    kind = (table.resource.get("timePartitioning") or {}).get("type", "DAY")
    match kind:
        case "HOUR":
            return begin, begin + timedelta(hours=1)
        case "DAY":
            return begin, begin + timedelta(days=1)
        case "MONTH":
            return begin, (begin + timedelta(days=32)).replace(day=1)
        case _:
            return begin, begin.replace(year=begin.year + 1)


def id_of(table: Table, value: date | datetime | None) -> str:
    """Return the id of the partition that a value of the partitioning column is in."""
    return NULL_PARTITION if value is None else as_moment(value).strftime(form(table))


def ids_of(table: Table, rows: Iterable[Sequence[Any]]) -> set[str]:
    """Return the ids of the partitions of rows, in the order of the columns; none for a table without partitions."""
    field = table.partition_field
    if field is None:
        return set()
    at = [name.lower() for name, _ in table.columns].index(field.lower())
    return {id_of(table, row[at]) for row in rows}


def condition(table: Table, partition: str) -> str:
    """Return the engine's condition for the rows of a partition. Raises ApiError for a table without partitions."""
    if table.resource.get("timePartitioning") is None:
        raise ApiError(
            "invalid", f"Table {'.'.join(table.name)} is not partitioned, but a partition decorator is given"
        )
    if partition != NULL_PARTITION:
        bounds(table, partition)
    return f"{id_sql(table)} = {text(partition)}"


def empty(cursor: DuckDBPyConnection, table: Table, partition: str) -> None:
    """Delete the rows of a partition."""
    cursor.execute(f"DELETE FROM {table.sql} WHERE {condition(table, partition)}")


def as_moment(value: date | datetime) -> datetime:
    """Return a DATE, DATETIME or TIMESTAMP as an instant, in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)
