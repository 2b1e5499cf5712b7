"""What BigQuery's types mean for a plan: which casts there are, and how wide a value is."""

from __future__ import annotations

from typing import Final

from nbactl.ports.column_types import WIDER, base

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
WIDTHS: Final = {"INT64": 8, "FLOAT64": 8, "NUMERIC": 16, "BIGNUMERIC": 32, "BOOL": 1, "DATE": 8, "TIMESTAMP": 8}
"""Logical bytes of a value: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes."""


def casts(old: str, new: str) -> bool:
    """Say whether CAST takes one type to the other, though it may fail for a value."""
    known = (*WIDER.get(base(old), ()), *_CASTS.get(base(old), ()), base(old))
    return base(new) in known and "ARRAY" not in (base(old), base(new)) and "STRUCT" not in (base(old), base(new))
