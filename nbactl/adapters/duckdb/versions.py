"""The versions of partitions: a digest of each one's values, kept in the transaction that changes its rows.

A row counts as its values by column name, without those that are NULL. So the order of rows and columns, the width of
a whole number, the scale of a decimal and the zone of an instant do not matter, and a column that was added is no
change until it has a value. An empty string is a value.
"""

from __future__ import annotations

import json
from datetime import UTC, date
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb import catalog
from nbactl.adapters.duckdb.catalog import bigquery_type, quoted
from nbactl.ports.warehouse import PartitionVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from nbactl.ports.warehouse import TableSchema

_DIGEST_BITS: Final = 128
_AS_TEXT: Final = {
    "INT64": "CAST({0} AS VARCHAR)",
    "BOOL": "CAST({0} AS VARCHAR)",
    "DATE": "CAST({0} AS VARCHAR)",
    "FLOAT64": "CAST(to_json(CAST({0} AS DOUBLE) + 0.0) AS VARCHAR)",  # without + 0.0 a negative zero differs
    "TIMESTAMP": "CAST(epoch_us({0}) AS VARCHAR)",
    "JSON": "CAST(json({0}) AS VARCHAR)",
}


def record(
    cursor: DuckDBPyConnection, schema: TableSchema, days: Iterable[date] | None, now: datetime
) -> dict[date, PartitionVersion]:
    """Bring the versions of `days`, or of all partitions, up to the rows of the caller's transaction; returns them."""
    if schema.partition_by is None:
        return {}
    wanted = None if days is None else sorted(set(days))
    if wanted == []:
        return {}
    found = _digests(cursor, schema.name, schema.partition_by, wanted)
    ends = (wanted[0], wanted[-1]) if wanted else (date.min, date.max)
    kept = {day: version for (_, day), version in _kept(cursor, [schema.name], *ends).items()}
    versions = {}
    for day in sorted(found.keys() | kept.keys()) if wanted is None else wanted:
        rows, digest = found.get(day, _NOTHING)
        old = kept.get(day)
        changed_at = old.changed_at if old is not None and old.digest == digest else now
        versions[day] = PartitionVersion(digest, rows, changed_at)
    _write(cursor, schema.name, versions)
    return versions


def untrue(cursor: DuckDBPyConnection, schema: TableSchema) -> list[date]:
    """Return the partitions that have a version which is not that of their rows."""
    if schema.partition_by is None:
        return []
    found = _digests(cursor, schema.name, schema.partition_by, None)
    kept = read(cursor, [schema.name])
    return [day for (_, day), version in kept.items() if found.get(day, _NOTHING)[1] != version.digest]


def read(
    cursor: DuckDBPyConnection,
    tables: Sequence[str] | None = None,
    first: date = date.min,
    last: date = date.max,
) -> dict[tuple[str, date], PartitionVersion]:
    """Return the versions that are kept of `tables`, or of all, for tables that are there."""
    there = set(catalog.names(cursor))
    found = _kept(cursor, None if tables is None else [table for table in tables if table in there], first, last)
    return {key: version for key, version in found.items() if key[0] in there}


def _kept(
    cursor: DuckDBPyConnection, tables: Sequence[str] | None, first: date, last: date
) -> dict[tuple[str, date], PartitionVersion]:
    cursor.execute(
        "SELECT table_name, day, digest, row_count, changed_at FROM nbactl_internal.partition_versions "
        "WHERE ($tables IS NULL OR list_contains(CAST($tables AS VARCHAR[]), table_name)) "
        "AND day BETWEEN $first AND $last ORDER BY table_name, day",
        {"tables": None if tables is None else list(tables), "first": first, "last": last},
    )
    return {
        (table, day): PartitionVersion(digest, rows, changed_at.replace(tzinfo=UTC))
        for table, day, digest, rows, changed_at in cursor.fetchall()
    }


def read_counted(
    cursor: DuckDBPyConnection,
    tables: Sequence[str] | None = None,
    first: date = date.min,
    last: date = date.max,
) -> dict[tuple[str, date], PartitionVersion]:
    """Return the versions, where those of partitions that have lost or gained rows by another program differ.

    Rows are counted, not read: values that another program changed are found by `untrue`.
    """
    kept = read(cursor, tables, first, last)
    columns = catalog.partition_columns(cursor)
    days: dict[str, list[date]] = {}
    for table, kept_day in kept:
        days.setdefault(table, []).append(kept_day)
    for table, kept_days in days.items():
        day = f"CAST({quoted(columns.get(table, ''))} AS DATE)"
        cursor.execute(
            f"SELECT {day} AS day, COUNT(*) FROM {quoted(table)} WHERE {day} BETWEEN $first AND $last GROUP BY day",
            {"first": first, "last": last},
        )
        counts = dict(cursor.fetchall())
        for kept_day in kept_days:
            version, rows = kept[table, kept_day], counts.get(kept_day, 0)
            if rows != version.rows:
                kept[table, kept_day] = PartitionVersion(f"{rows}-counted", rows, version.changed_at)
    return kept


def _digests(
    cursor: DuckDBPyConnection, table: str, partition_by: str, days: Sequence[date] | None
) -> dict[date, tuple[int, str]]:
    """Return the number of rows and the digest of each partition that has rows."""
    day = f"CAST({quoted(partition_by)} AS DATE)"
    where = f"{day} IS NOT NULL"
    parameters: dict[str, Any] = {}
    if days is not None:
        # The range spares a look at the rest of the table; a list alone does not.
        where = f"{day} BETWEEN $first AND $last AND list_contains(CAST($days AS DATE[]), {day})"
        parameters = {"first": min(days), "last": max(days), "days": list(days)}
    cursor.execute(
        f"SELECT day, COUNT(*), SUM(md5_number_lower(line)) FROM (SELECT {day} AS day, {_line(cursor, table)} AS line "
        f"FROM {quoted(table)} WHERE {where}) GROUP BY day",
        parameters,
    )
    return {day: (rows, _digest(rows, total)) for day, rows, total in cursor.fetchall()}


def _line(cursor: DuckDBPyConnection, table: str) -> str:
    """Return the expression for the text of a row, `{"assists":7,"player":"..."`, in which NULL leaves no trace."""
    cursor.execute("SELECT name, type FROM pragma_table_info($name) ORDER BY name", {"name": quoted(table)})
    # concat, unlike ||, passes over what is NULL
    parts = [
        f"{_literal(f'{json.dumps(name)}:')} || {_as_text(quoted(name), kind)}" for name, kind in cursor.fetchall()
    ]
    return f"concat('{{', {', '.join(parts)})"


def _as_text(column: str, kind: str) -> str:
    if kind.startswith("DECIMAL"):
        text = f"CAST({column} AS VARCHAR)"
        return text if kind.endswith(",0)") else f"rtrim(rtrim({text}, '0'), '.')"
    return _AS_TEXT.get(bigquery_type(kind) or "", "CAST(to_json({0}) AS VARCHAR)").format(column)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _digest(rows: int, total: int) -> str:
    return f"{rows}-{total % 2**_DIGEST_BITS:x}"


_NOTHING: Final = (0, _digest(0, 0))
"""The rows and the digest of an empty partition."""


def _write(cursor: DuckDBPyConnection, table: str, versions: Mapping[date, PartitionVersion]) -> None:
    listed = {"name": table, "days": list(versions)}
    cursor.execute(
        "DELETE FROM nbactl_internal.partition_versions "
        "WHERE table_name = $name AND list_contains(CAST($days AS DATE[]), day)",
        listed,
    )
    cursor.execute(
        "INSERT INTO nbactl_internal.partition_versions SELECT $name, UNNEST(CAST($days AS DATE[])), "
        "UNNEST(CAST($digests AS VARCHAR[])), UNNEST(CAST($rows AS BIGINT[])), UNNEST(CAST($changed AS TIMESTAMP[]))",
        {
            **listed,
            "digests": [version.digest for version in versions.values()],
            "rows": [version.rows for version in versions.values()],
            "changed": [version.changed_at.astimezone(UTC).replace(tzinfo=None) for version in versions.values()],
        },
    )
