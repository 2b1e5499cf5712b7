"""The digest of rows in SQL: the same for the same rows, in whatever order rows and columns are.

A row counts as its values by column name, without those that are NULL: a column that was added is no change until it
has a value. Rows are summed up by their MD5, so that no order is needed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.ports.warehouse import Column

_SLICES: Final = ((1, 15), (16, 15))
"""Hexadecimal digits of a row's MD5, from 1, and how many: each slice fits an INT64, and its sum a NUMERIC."""
ROW_HASH: Final = "row_hash"
"""The column that `digest_of` sums up."""
_AS_TEXT: Final = {
    "INT64": "CAST({0} AS STRING)",
    "BOOL": "CAST({0} AS STRING)",
    "DATE": "CAST({0} AS STRING)",
    "NUMERIC": "CAST({0} AS STRING)",
    "FLOAT64": "TO_JSON_STRING({0} + 0.0)",  # without + 0.0 a negative zero differs
    "TIMESTAMP": "CAST(UNIX_MICROS({0}) AS STRING)",
}


def digest_of_rows() -> str:
    """Return the aggregate that digests the rows of a relation with the column ROW_HASH."""
    sums = [
        f"CAST(SUM(CAST(CAST(CONCAT('0x', SUBSTR({ROW_HASH}, {start}, {size})) AS INT64) AS NUMERIC)) AS STRING)"
        for start, size in _SLICES
    ]
    total = ", '-', ".join(["CAST(COUNT(*) AS STRING)", *sums])
    return f"CONCAT({total})"


def row_hash(columns: Iterable[Column]) -> str:
    """Return the expression for the hash of a row of these columns."""
    parts = [
        f"IF(`{column.name}` IS NULL, '', CONCAT({text(json.dumps(column.name) + ':')}, {_as_text(column)}))"
        for column in sorted(columns, key=lambda column: column.name)
    ]
    return f"TO_HEX(MD5(CONCAT('{{', {', '.join(parts)})))"


def text(value: str) -> str:
    """Return a string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _as_text(column: Column) -> str:
    return _AS_TEXT.get(column.type, "TO_JSON_STRING({0})").format(f"`{column.name}`")
