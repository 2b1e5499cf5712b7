"""Values on their way to BigQuery and back: query parameters, rows to load, job labels, results."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter  # noqa: TID253 - the adapter itself

from nbactl.core._support.warehouse_values import cannot_bind, parameter_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.ports.warehouse import ColumnType

Parameter = ArrayQueryParameter | ScalarQueryParameter
UNKNOWN: Final = "INT64"
"""The type of NULL and of an empty array, which BigQuery gives to such literals."""


def query_parameters(parameters: Mapping[str, Any] | None) -> list[Parameter]:
    """Return parameters with their types. Raises DataError for a value that cannot be one."""
    return [_parameter(name, value) for name, value in (parameters or {}).items()]


def _parameter(name: str, value: Any) -> Parameter:  # noqa: ANN401 - whatever a caller passes
    if not isinstance(value, (list, tuple)):
        kind = parameter_type(name, value)
        return ScalarQueryParameter(name, UNKNOWN if kind == "NULL" else kind, value)
    kinds = {parameter_type(name, part) for part in value}
    if kinds == {"INT64", "FLOAT64"}:
        kinds = {"FLOAT64"}
    if len(kinds) > 1:
        raise cannot_bind(name, value, "its elements have different types")
    if "NULL" in kinds:
        raise cannot_bind(name, value, "BigQuery takes no NULL in an array")
    return ArrayQueryParameter(name, kinds.pop() if kinds else UNKNOWN, list(value))


def typed(name: str, kind: str, value: Any) -> Parameter:  # noqa: ANN401 - a value of that type, or None
    """Return a parameter of a type that is known."""
    return ScalarQueryParameter(name, kind, value)


def days(name: str, value: Iterable[date]) -> Parameter:
    """Return a parameter of dates."""
    return ArrayQueryParameter(name, "DATE", list(value))


def json_lines(columns: Sequence[str], rows: Iterable[tuple[Any, ...]], types: Mapping[str, ColumnType]) -> bytes:
    """Return rows as newline-delimited JSON for a table whose JSON columns are STRING."""
    encoders = [_ENCODERS.get(types[name]) for name in columns]
    return b"".join(
        json.dumps(
            {
                name: encode(value) if encode is not None and value is not None else value
                for name, encode, value in zip(columns, encoders, row, strict=True)
            },
            separators=(",", ":"),
        ).encode()
        + b"\n"
        for row in rows
    )


def _float(value: float) -> float | str:
    """JSON has no NaN: cloud.google.com/bigquery/docs/loading-data-cloud-storage-json."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _decimal(value: Decimal | int) -> str:
    return format(Decimal(value), "f")


_ENCODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "FLOAT64": _float,
    "TIMESTAMP": _instant,
    "NUMERIC": _decimal,
    "DATE": lambda value: value.isoformat(),
}

_LABEL: Final = re.compile(r"[^a-z0-9_-]")
_LONGEST_LABEL: Final = 63
_MOST_LABELS: Final = 64


def job_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return labels as BigQuery takes them: lower case, letters, digits, - and _, 63 characters, 64 of them.

    Source: cloud.google.com/bigquery/docs/labels-intro.
    """
    cleaned = {_label(key): _label(value) for key, value in (labels or {}).items()}
    return {
        key if key[:1].isalpha() else f"l{key}"[:_LONGEST_LABEL]: value
        for key, value in list(cleaned.items())[:_MOST_LABELS]
    }


def _label(text: str) -> str:
    return _LABEL.sub("_", str(text).lower())[:_LONGEST_LABEL]
