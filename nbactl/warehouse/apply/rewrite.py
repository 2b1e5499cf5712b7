"""A rewrite: rows are written again where they are, by ranges of partitions, so that old data are clustered too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.core._support.row_digests import ROW_HASH, digest_of_rows, row_hash
from nbactl.migrations.work import Meter
from nbactl.warehouse.apply.ranges import (
    Key,
    Range,
    as_start,
    everything_of,
    key_of,
    left_after,
    ranges_of,
    start_text,
)
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.steps import PARTITIONS_OF_A_JOB

if TYPE_CHECKING:
    from nbactl.ports.warehouse import TableLayout, TableSchema
    from nbactl.warehouse.apply.work import TableWork


def rewrite_rows(table: TableWork) -> None:
    """Write the old rows again, a checkpoint for each range.

    Rows that others write meanwhile are clustered already.
    """
    found = table.table()
    column = next(one for one in found.schema.columns if one.name.lower() == table.job.declared.cluster_by[0].lower())
    key = key_of(found.schema, found.schema.partition_by, found.schema.partition_unit)
    fresh = {"after": None, "ranges": 0, "rows": 0, "digest": None, "seen": None}
    checkpoint = table.work.begin("rewrite", table.job.run, cursor=fresh)
    cursor = dict(checkpoint.cursor)
    if cursor["digest"] is None:
        cursor |= {"digest": _digest(table, found.schema, column.name), "seen": _state(found)}
    left = _ranges(table, key, found, cursor["after"])
    meter = Meter(
        table.work.clock, "rewrite", table.job.table, done=cursor["ranges"], total=cursor["ranges"] + len(left)
    )
    table.rows = cursor["rows"]
    if not left and not cursor["ranges"]:
        table.note(f"No part of {table.job.table} is large enough that a rewrite would gain.")
    statement = f"UPDATE {ddl.quoted(table.job.table)} SET {ddl.quoted(column.name)} = {ddl.quoted(column.name)}"
    for one in left:
        table.pause_point(meter)
        began = table.work.clock.monotonic()
        alone = cursor["seen"] is not None and _state(table.table()) == cursor["seen"]
        done = table.change([f"{statement}\n{one.where}"], one.parameters, f"rewrite-{one.name}")
        cursor |= {
            "after": start_text(one.last),
            "ranges": cursor["ranges"] + 1,
            "rows": cursor["rows"] + done.rows,
            "seen": _state(table.table()) if alone else None,
        }
        checkpoint = table.work.save(checkpoint, cursor, {"range": one.name, "rows": done.rows})
        table.rows = cursor["rows"]
        table.throttle(one.size or 0, table.work.clock.monotonic() - began)
        table.work.observe(meter.at(cursor["ranges"], {"rows": cursor["rows"]}))
    _compare(table, cursor, column.name)


def partitions_of(table: TableWork, schema: TableSchema, key: Key | None) -> list[tuple[Any, int]]:
    """Return the beginnings of a table's partitions with their rows; one item with all rows without a key."""
    start = "NULL" if key is None else key.expression
    sql = (
        f"SELECT {start} AS start, COUNT(*) AS row_count\nFROM {ddl.quoted(schema.name)}\n"
        f"{everything_of(schema)}\nGROUP BY start"
    )
    return [(as_start(start), rows) for start, rows in table.query(sql).rows]


def _ranges(table: TableWork, key: Key | None, found: TableLayout, after: str | None) -> list[Range]:
    """Return the ranges of the partitions that are left and large enough to gain."""
    partitions = left_after(partitions_of(table, found.schema, key), after)
    row_bytes = found.bytes / found.rows if found.bytes and found.rows else None
    large = [(start, rows) for start, rows in partitions if row_bytes is None or rows * row_bytes >= table.job.gate]
    return ranges_of(key, large, row_bytes, most=table.range_bytes, partitions=PARTITIONS_OF_A_JOB)


def _state(found: TableLayout) -> list[Any] | None:
    """Return what changes with every write; None where it cannot be known."""
    if found.modified is None or found.streaming_rows:
        return None
    return [found.modified.isoformat(), found.rows]


def _digest(table: TableWork, schema: TableSchema, column: str) -> str:
    """Return the digest of the columns that the statements name, which are all that they could change."""
    named = {column.lower(), (schema.partition_by or column).lower()}
    columns = [one for one in schema.columns if one.name.lower() in named]
    sql = (
        f"SELECT {digest_of_rows()} FROM (\nSELECT {row_hash(columns)} AS {ROW_HASH} "
        f"FROM {ddl.quoted(table.job.table)} {everything_of(schema)})"
    )
    return str(table.query(sql).scalar())


def _compare(table: TableWork, cursor: dict[str, Any], column: str) -> None:
    found = table.table()
    if cursor["seen"] is None or _state(found) != cursor["seen"]:
        table.note("Rows were written meanwhile, so that those before and after cannot be compared.")
        return
    if _digest(table, found.schema, column) != cursor["digest"]:
        # No error: an UPDATE of another program at the very moment of ours looks the same.
        table.note(
            f"{table.job.table} has other values in {column} than before, though no other writer was seen. "
            f"Compare them with FOR SYSTEM_TIME AS OF '{table.job.started_at.isoformat()}'."
        )
