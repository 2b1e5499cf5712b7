"""BigQuery's types of columns: their synonyms, and which of them ALTER TABLE can change to which."""

from __future__ import annotations

import re
from typing import Final

_SYNONYMS: Final = {
    **dict.fromkeys(("INT", "SMALLINT", "INTEGER", "BIGINT", "TINYINT", "BYTEINT"), "INT64"),
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
    "RECORD": "STRUCT",
}
"""https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types, and the older names of the REST API."""
_TYPE: Final = re.compile(rf"\b({'|'.join(_SYNONYMS)})\b(?=\s*(?:[,<>(]|$))")
"""A name of a type is followed by the end of it; a field of a STRUCT that is called `int` is followed by its type."""
WIDER: Final = {
    "INT64": ("NUMERIC", "BIGNUMERIC", "FLOAT64"),
    "NUMERIC": ("BIGNUMERIC", "FLOAT64"),
    "BIGNUMERIC": ("FLOAT64",),
}
_SIZES: Final = {"NUMERIC": (38, 9), "BIGNUMERIC": (76, 38)}
"""Precision and scale of a type that is written without them."""
CLUSTERABLE: Final = frozenset(
    {"STRING", "INT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "DATETIME", "TIMESTAMP", "GEOGRAPHY", "RANGE"}
)
"""https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types."""
_PARAMETERS: Final = re.compile(r"\w+\((\d+)(?:, (\d+))?\)")


def canonical(kind: str) -> str:
    """Return a type in the one spelling that stands for all of its synonyms, such as `ARRAY<STRUCT<day DATE>>`."""
    text = re.sub(r"\s*([,<>()])\s*", r"\1", " ".join(kind.split()))
    text = re.sub(r"[A-Za-z_]\w*(?=[,<>(]|$)", lambda word: word[0].upper(), text)
    return _TYPE.sub(lambda word: _SYNONYMS[word[1]], text).replace(",", ", ")


def base(kind: str) -> str:
    """Return the name of a type without its parameters: STRING of STRING(10), ARRAY of ARRAY<DATE>."""
    return re.split(r"[<(]", canonical(kind), maxsplit=1)[0]


def parameters(kind: str) -> tuple[int, ...]:
    """Return the numbers of a type: 10 of STRING(10), 12 and 2 of NUMERIC(12, 2), none of STRING."""
    found = _PARAMETERS.fullmatch(canonical(kind))
    return () if found is None else tuple(int(part) for part in found.groups() if part is not None)


def widens(old: str, new: str) -> bool:
    """Say whether ALTER COLUMN SET DATA TYPE can make one type of the other: every old value is one of the new type.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_column_set_data_type_statement
    """
    if canonical(old) == canonical(new) or "<" in old:
        return False
    if base(old) != base(new):
        return canonical(new) in WIDER.get(base(old), ())
    if base(old) not in _SIZES:
        before, after = parameters(old), parameters(new)
        return bool(before) and (not after or after[0] >= before[0])
    (precision, scale), (new_precision, new_scale) = _size(old), _size(new)
    return new_scale >= scale and new_precision - new_scale >= precision - scale


def _size(kind: str) -> tuple[int, int]:
    given = parameters(kind)
    return _SIZES[base(kind)] if not given else (given[0], given[1] if len(given) > 1 else 0)
