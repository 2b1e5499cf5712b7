"""Values of the warehouse as text, as CSV and as JSON: exact, and NULL never to be taken for a text."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import numeric_text, plain
from nbactl.cli.show.text import Styled
from nbactl.core._support.controls import visible_lines
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.cli.show.text import Segment

NULL: Final = Styled("NULL", "dim")
_EXACT: Final = 2**53
"""The greatest whole number that every JSON reader keeps exactly."""
_NUMBERS: Final = frozenset({"INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "INTEGER", "FLOAT"})
_QUOTED_IN_CSV: Final = frozenset(',"\n\r')


def is_number(kind: str) -> bool:
    """Say whether BigQuery's type of this name is a number."""
    return kind in _NUMBERS


def cell(value: Any) -> Segment:  # noqa: ANN401 - a cell of any type
    """Return a value for a table. A text that looks like NULL, is empty or has spaces around it is in quotes."""
    if value is None:
        return NULL
    if isinstance(value, str):
        odd = value in ("", "NULL") or value != value.strip() or value.startswith('"')
        return json.dumps(value, ensure_ascii=False) if odd else value
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=None).isoformat(" ")
        return moment if value.tzinfo is None else f"{moment} UTC"
    return _text(value)


def json_cell(value: Any, kind: str = "") -> Any:  # noqa: ANN401 - a cell of any type, and JSON
    """Return a value for JSON, by the rules of BigQuery's TO_JSON_STRING where JSON has no such type.

    Whole numbers beyond 2^53, NUMERIC, NaN and infinity are texts, BYTES are base64. A JSON column is left as it is.
    Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_encodings
    """
    if kind == "JSON" or value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _float(value)
    if isinstance(value, dict):
        return {name: json_cell(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_cell(part) for part in value]
    return value.isoformat() if isinstance(value, (datetime, date, time)) else _text(value)


def json_rows(columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield each row as an object by column name; without `types` nothing is known of them."""
    kinds = types or [""] * len(columns)
    for row in rows:
        yield {name: json_cell(value, kind) for name, kind, value in zip(columns, kinds, row, strict=True)}


def csv_line(values: Sequence[Any]) -> str:
    r"""Return a line of CSV (RFC 4180, ended by \n): NULL is empty, an empty text is `""`.

    Control characters are made visible, except the line feeds and tabs inside of a text.
    """
    return ",".join(map(_csv_field, values)) + "\n"


def _csv_field(value: Any) -> str:  # noqa: ANN401 - a cell of any type
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(json_text(value))
    text = visible_lines(mask(text))
    if not text or text != text.strip() or not _QUOTED_IN_CSV.isdisjoint(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def json_text(value: Any) -> str:  # noqa: ANN401 - a cell of any type
    """Return a value as the text that it has in JSON, without quotes around it."""
    value = json_cell(value)
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str:  # noqa: ANN401 - a cell of any type
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Decimal):
        return numeric_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json_text(value) if isinstance(value, (dict, list, tuple)) else str(value)


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
