"""BigQuery's types: their synonyms, and which of them a column can be changed to."""

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
_WIDER: Final = {
    "INT64": ("NUMERIC", "BIGNUMERIC", "FLOAT64"),
    "NUMERIC": ("BIGNUMERIC", "FLOAT64"),
    "BIGNUMERIC": ("FLOAT64",),
}
_CASTS: Final = {
    "INT64": ("BOOL", "STRING"),
    "NUMERIC": ("INT64", "STRING"),
    "BIGNUMERIC": ("INT64", "NUMERIC", "STRING"),
    "FLOAT64": ("INT64", "NUMERIC", "BIGNUMERIC", "STRING"),
    "BOOL": ("INT64", "STRING"),
    "STRING": ("BOOL", "INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64", "BYTES", "DATE", "DATETIME", "TIME", "TIMESTAMP"),
    "BYTES": ("STRING",),
    "DATE": ("STRING", "DATETIME", "TIMESTAMP"),
    "DATETIME": ("STRING", "DATE", "TIME", "TIMESTAMP"),
    "TIME": ("STRING",),
    "TIMESTAMP": ("STRING", "DATE", "DATETIME", "TIME"),
}
"""https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules."""
CLUSTERABLE: Final = frozenset(
    {"STRING", "INT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "DATETIME", "TIMESTAMP", "GEOGRAPHY", "RANGE"}
)
"""https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types."""
WIDTHS: Final = {"INT64": 8, "FLOAT64": 8, "NUMERIC": 16, "BIGNUMERIC": 32, "BOOL": 1, "DATE": 8, "TIMESTAMP": 8}
"""Logical bytes of a value: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes."""


def canonical(kind: str) -> str:
    """Return a type in the one spelling that stands for all of its synonyms, such as `ARRAY<STRUCT<day DATE>>`."""
    text = re.sub(r"\s*([,<>()])\s*", r"\1", " ".join(kind.split()))
    text = re.sub(r"[A-Za-z_]\w*(?=[,<>(]|$)", lambda word: word[0].upper(), text)
    return _TYPE.sub(lambda word: _SYNONYMS[word[1]], text).replace(",", ", ")


def base(kind: str) -> str:
    """Return the name of a type without its parameters: STRING of STRING(10), ARRAY of ARRAY<DATE>."""
    return re.split(r"[<(]", canonical(kind), maxsplit=1)[0]


def widens(old: str, new: str) -> bool:
    """Say whether ALTER COLUMN SET DATA TYPE can make one type of the other: every old value is one of the new type.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_column_set_data_type_statement
    """
    return canonical(new) in _WIDER.get(canonical(old), ())


def casts(old: str, new: str) -> bool:
    """Say whether CAST takes one type to the other, though it may fail for a value."""
    known = (*_WIDER.get(base(old), ()), *_CASTS.get(base(old), ()), base(old))
    return base(new) in known and "ARRAY" not in (base(old), base(new)) and "STRUCT" not in (base(old), base(new))
