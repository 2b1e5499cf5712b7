"""Clustered rows: those that were written since the table has its key, cut into blocks by the order of the key.

A change of the key holds for the rows that are written from then on, by whatever statement; the rows that are there
stay as they are until an UPDATE or MERGE writes them again. BigQuery clusters rows again by itself after a while, which
this server does not: https://cloud.google.com/bigquery/docs/clustered-tables#automatic_reclustering and
https://cloud.google.com/bigquery/docs/manage-clustered-tables#modifying-cluster-spec.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.types import identifier
from nbactl.testing.bigquery import partitions
from nbactl.testing.bigquery.filters import Span, comparable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from nbactl.testing.bigquery.store import Store, Table

GENERATION: Final = "_nbactl_generation"
"""The engine's column that says under which key of its table a row was written; tables of one key do without it."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a partition that are read together: the logical bytes of each column, and the values of the key.

    `key` is None for rows that are not clustered by the table's key, and where a partition is not more than one block.
    """

    partition: str
    bytes: dict[str, int]
    key: tuple[Span, ...] | None


def key_of(table: Table) -> list[str]:
    """Return the clustering columns in lower case."""
    return [name.lower() for name in (table.resource.get("clustering") or {}).get("fields", ())]


def change(store: Store, table: Table, before: list[str]) -> None:
    """Take note of another key than `before`: the rows that are there are not clustered by it."""
    after = key_of(table)
    if after == before or not table.fields:
        return
    column = identifier(GENERATION)
    with store.cursor() as cursor:
        if not table.generations:
            cursor.execute(f"ALTER TABLE {table.sql} ADD COLUMN {column} INTEGER DEFAULT 0")
            table.generations.append(before)
        table.generations.append(after)
        cursor.execute(f"ALTER TABLE {table.sql} ALTER COLUMN {column} SET DEFAULT {len(table.generations) - 1}")


def inherit(cursor: DuckDBPyConnection, made: Table, base: Table) -> None:
    """Give an empty table the keys that another one had, so that it can take the other's rows as they are."""
    if base.generations:
        made.generations = [list(key) for key in base.generations]
        newest = len(made.generations) - 1
        cursor.execute(f"ALTER TABLE {made.sql} ADD COLUMN {identifier(GENERATION)} INTEGER DEFAULT {newest}")


def rewriting(table: Table | None) -> tuple[str, ...]:
    """Return what an UPDATE of a table's rows sets besides."""
    if table is None or not table.generations:
        return ()
    return (f"{identifier(GENERATION)} = {len(table.generations) - 1}",)


def known(cursor: DuckDBPyConnection, table: Table, rows: int) -> list[Block]:
    """Return what `of` does of the rows that are committed; computed once while the table stays as it is."""
    kept = table.blocks
    if kept is not None and kept[0] == (table.version, rows):
        return kept[1]
    version, found = table.version, of(cursor, table, rows)
    table.blocks = (version, rows), found
    return found


def of(cursor: DuckDBPyConnection, table: Table, rows: int) -> list[Block]:
    """Return the blocks of a table, each of at most so many rows."""
    kinds = {name.lower(): kind for name, kind in table.columns}
    key = key_of(table)
    ordered = ", ".join(f"{identifier(name)} NULLS FIRST" for name in key)
    clustered = _clustered(table, key)
    place = f"row_number() OVER (PARTITION BY {partitions.id_sql(table)}, {clustered} ORDER BY {ordered}) - 1"
    ends = []
    for name in key:
        value = identifier(name)
        if kinds[name].kind == "TIMESTAMP":
            value = f"timezone('UTC', {value})"
        ends += [f"MIN({value})", f"MAX({value})", f"COUNT(*) > COUNT({value})"]
    sizes = [f"CAST(SUM({partitions.size_sql(identifier(name), kind)}) AS BIGINT)" for name, kind in table.columns]
    cursor.execute(
        f"SELECT _id, _block IS NULL, {', '.join([*ends, *sizes])} FROM (SELECT *, {partitions.id_sql(table)} AS _id, "
        f"CASE WHEN {clustered} THEN ({place}) // {rows} END AS _block FROM {table.sql}) GROUP BY _id, _block"
    )
    found = cursor.fetchall()
    counts = Counter(row[0] for row in found)
    names = [name.lower() for name, _ in table.columns]
    first = 2 + len(ends)
    return [
        Block(
            row[0],
            dict(zip(names, row[first:], strict=True)),
            None if row[1] or counts[row[0]] == 1 else _spans(row[2:first], [kinds[name] for name in key]),
        )
        for row in found
    ]


def _clustered(table: Table, key: list[str]) -> str:
    if not table.generations:
        return "TRUE"
    numbers = [str(number) for number, one in enumerate(table.generations) if one == key]
    return f"{identifier(GENERATION)} IN ({', '.join(numbers)})"


def _spans(ends: tuple[Any, ...], kinds: list[Any]) -> tuple[Span, ...]:
    return tuple(
        Span(comparable(low, kind), comparable(high, kind), null)
        for kind, low, high, null in zip(kinds, ends[::3], ends[1::3], ends[2::3], strict=True)
    )
