"""What a clustering would save, estimated from a sample of the table's rows that is sorted as clustering sorts them.

This is an estimate, not a promise: BigQuery chooses its blocks itself, and no dry run shows what clustering saves
(https://cloud.google.com/bigquery/docs/clustered-tables).
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.ports.warehouse import QueryResult, TableLayout
    from nbactl.warehouse.suggest.advice import Suggestion

ROWS: Final = 20_000
BLOCK: Final = 64 * 2**20
"""Bytes that a block is assumed to hold. It is not documented; clustering gains from about so much."""
_READ: Final = 256 * 2**20
"""Bytes of the table that are sampled."""


@frozen
class Estimate:
    """What the queries would be billed after the change. `distinct` counts the values in the sample."""

    bytes_billed: int
    rows: int
    distinct: Mapping[str, int]


def estimate(suggestion: Suggestion, layout: TableLayout, query: Callable[[str], QueryResult]) -> Estimate | None:
    """Return the estimate; None for an empty sample. `query` runs SQL, and may ask for its price first."""
    columns = suggestion.columns
    result = query(sample_query(suggestion.table, columns, layout))
    if not result.rows:
        return None
    rows = sorted(tuple(map(_sortable, row)) for row in result.rows)
    size = layout.largest_partition or layout.bytes or 0
    blocks = _blocks(rows, max(1, math.ceil(size / BLOCK)))
    shares = [_share(rows, blocks, length) for length in range(len(columns) + 1)]
    billed = 0.0
    for one in suggestion.queries:
        length = 0
        # A range is not counted as a saving: how much of the table it covers is not known.
        while length < len(columns) and one.columns.get(columns[length].lower()) == "equality":
            length += 1
        billed += one.bytes_billed * shares[length]
    distinct = {name: len({row[number] for row in rows}) for number, name in enumerate(columns)}
    return Estimate(round(billed), len(rows), distinct)


def sample_query(table: str, columns: Sequence[str], layout: TableLayout) -> str:
    """Return the query for a sample of the columns; TABLESAMPLE bills for what it reads alone.

    https://cloud.google.com/bigquery/docs/table-sampling
    """
    percent = min(100, max(1, round(100 * _READ / max(layout.bytes or 1, 1))))
    listed = ", ".join(f"`{name}`" for name in columns)
    schema = layout.schema
    needed = f" WHERE `{schema.partition_by}` IS NOT NULL" if schema.require_partition_filter else ""
    return f"SELECT {listed} FROM `{table}` TABLESAMPLE SYSTEM ({percent} PERCENT){needed} LIMIT {ROWS}"  # noqa: S608 - names of the catalogue


def _sortable(value: Any) -> tuple[bool, str]:  # noqa: ANN401 - a cell of any type
    """Return a cell in an order in which equal values are neighbours; which order that is does not matter here."""
    return value is not None, str(value)


def _blocks(rows: Sequence[tuple[Any, ...]], count: int) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Cut sorted rows into blocks of the same size; returns the first and last row of each."""
    size = max(1, math.ceil(len(rows) / count))
    return [(rows[start], rows[min(start + size, len(rows)) - 1]) for start in range(0, len(rows), size)]


def _share(
    rows: Sequence[tuple[Any, ...]], blocks: Sequence[tuple[tuple[Any, ...], tuple[Any, ...]]], length: int
) -> float:
    """Return which share of the blocks a query reads that asks for the first `length` columns of a row, on average."""
    if not length:
        return 1.0
    read, number = 0, 0
    firsts = [first[:length] for first, _ in blocks]
    lasts = [last[:length] for _, last in blocks]
    for wanted, same in groupby(row[:length] for row in rows):
        while number < len(blocks) and lasts[number] < wanted:
            number += 1
        end = number
        while end < len(blocks) and firsts[end] <= wanted:
            end += 1
        read += (end - number) * sum(1 for _ in same)
    return read / len(rows) / len(blocks)
