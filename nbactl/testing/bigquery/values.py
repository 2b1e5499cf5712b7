"""Values between the wire, Python and the engine.

Cells: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
Parameters: https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.types import SCALARS, Type, array, duckdb_name, identifier, struct_names
from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INT64: Final = 2**63


def fetched(sql: str, columns: tuple[tuple[str, Type], ...], names: list[str]) -> str:
    """Return a query whose columns Python can read: zoned timestamps are plain ones in UTC."""
    listed = ", ".join(
        f"CAST({identifier(name)} AS {_plain(kind)}) AS {identifier(name)}"
        if "TIMESTAMP" in str(kind)
        else identifier(name)
        for (_, kind), name in zip(columns, names, strict=True)
    )
    return f"SELECT {listed} FROM ({sql})"


def _plain(kind: Type) -> str:
    return duckdb_name(kind).replace("TIMESTAMPTZ", "TIMESTAMP")


def micros(moment: datetime) -> int:
    """Return the microseconds since 1970 of a UTC datetime, aware or not."""
    return (moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def cell(value: Any, kind: Type, *, int64_timestamps: bool) -> Any:  # noqa: ANN401, C901, PLR0911 - one return a type
    """Return a value of the engine as the REST API writes it, without its `{"v": …}`."""
    if kind.element is not None:
        element = kind.element
        return [{"v": cell(part, element, int64_timestamps=int64_timestamps)} for part in value or ()]
    if value is None:
        return None
    match kind.kind:
        case "STRUCT":
            parts = zip(struct_names(kind), kind.fields, strict=True)
            return {"f": [{"v": cell(value[own], part, int64_timestamps=int64_timestamps)} for own, (_, part) in parts]}
        case "BOOL":
            return "true" if value else "false"
        case "FLOAT64":
            return _float_text(value)
        case "NUMERIC":
            return numeric_text(value)
        case "BYTES":
            return base64.b64encode(bytes(value)).decode()
        case "TIMESTAMP":
            number = micros(value)
            return str(number) if int64_timestamps else repr(number / 1e6)
        case "DATETIME":
            return str(value.isoformat())
        case "DATE" | "TIME":
            return str(value.isoformat())
        case _:
            return str(value)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def numeric_text(value: Decimal) -> str:
    """Return a NUMERIC without zeros behind its last digit."""
    text = f"{Decimal(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parameter_type(written: dict[str, Any]) -> Type:
    """Return the type of a query parameter. Raises ApiError."""
    kind = str(written.get("type", "")).upper()
    if kind == "ARRAY":
        return array(parameter_type(written["arrayType"]))
    if kind in ("STRUCT", "RECORD"):
        return Type(
            "STRUCT",
            None,
            tuple((part.get("name", ""), parameter_type(part["type"])) for part in written["structTypes"]),
        )
    kind = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(kind, kind)
    if kind not in SCALARS:
        raise ApiError("invalid", f"Invalid value for type: {kind or 'TYPE_KIND_UNSPECIFIED'} is not a valid value")
    return SCALARS[kind]


def parameter_value(name: str, kind: Type, written: dict[str, Any]) -> Any:  # noqa: ANN401 - a value of any type
    """Return the value of a query parameter as Python's. Raises ApiError for a text that is not of its type."""
    if kind.element is not None:
        return [parameter_value(name, kind.element, part) for part in written.get("arrayValues", ())]
    if kind.kind == "STRUCT":
        given = written.get("structValues")
        if given is None:
            return None
        parts = zip(struct_names(kind), kind.fields, strict=True)
        return {own: parameter_value(name, part, given.get(field, {})) for own, (field, part) in parts}
    text = written.get("value")
    if text is None:
        return None
    try:
        return parsed(text, kind)
    except (ValueError, InvalidOperation, OverflowError):
        raise ApiError(
            "invalidQuery", f"Invalid value for parameter '{name}': could not parse '{text}' as {kind}"
        ) from None


def parsed(text: Any, kind: Type) -> Any:  # noqa: ANN401 - JSON in, a value of any type out
    """Return a scalar of JSON as a value of that type. Raises ValueError, InvalidOperation, OverflowError."""
    read = _READERS.get(kind.kind)
    if read is None:
        raise ValueError(kind.kind)
    return read(text)


def _whole(value: Any) -> int:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004 - the callers know one error
    number = int(value) if not isinstance(value, float) else _exact(value)
    if not -_INT64 <= number < _INT64:
        raise ValueError(value)
    return number


def _exact(value: float) -> int:
    if not value.is_integer():
        raise ValueError(value)
    return int(value)


def _float(value: Any) -> float:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004 - as above
    return float(value)


def _boolean(value: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return value
    known = {"true": True, "t": True, "yes": True, "y": True, "1": True}
    known |= dict.fromkeys(("false", "f", "no", "n", "0"), False)
    if str(value).lower() not in known:
        raise ValueError(value)
    return known[str(value).lower()]


_NUMERIC_CONTEXT: Final = Context(prec=38)


def _numeric(value: Any) -> Decimal:  # noqa: ANN401 - JSON
    number = Decimal(str(value))
    limit = Decimal(10) ** 29
    if isinstance(value, bool) or not number.is_finite() or not -limit < number < limit:
        raise ValueError(value)
    return number.quantize(Decimal("1e-9"), context=_NUMERIC_CONTEXT)


def _string(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, (dict, list)):
        raise ValueError(value)  # noqa: TRY004 - the callers know one error
    return value if isinstance(value, str) else json.dumps(value)


def _bytes(value: Any) -> bytes:  # noqa: ANN401 - JSON
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(value) from error


_ISO: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?)?"
    r"(?: ?(Z|z|UTC)|([+-])(\d{1,2})(?::?(\d{2}))?)?"
)


def _moment(value: Any) -> datetime:  # noqa: ANN401 - JSON
    found = _ISO.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(value)
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = found.groups()
    moment = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
        int((fraction or "0").ljust(6, "0")), tzinfo=UTC,
    )  # fmt: skip
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return moment + offset if sign == "-" else moment - offset


def _timestamp(value: Any) -> datetime:  # noqa: ANN401 - JSON
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _EPOCH + timedelta(seconds=value)
    if re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
        return _EPOCH + timedelta(microseconds=round(Decimal(str(value)) * 1_000_000))
    return _moment(value)


def _json(value: Any) -> str:  # noqa: ANN401 - JSON
    """A JSON column takes a document as text, or as JSON itself."""
    document = json.loads(value) if isinstance(value, str) else value
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "INT64": _whole,
    "FLOAT64": _float,
    "BOOL": _boolean,
    "NUMERIC": _numeric,
    "STRING": _string,
    "BYTES": _bytes,
    "DATE": lambda value: date.fromisoformat(str(value)),
    "TIME": lambda value: time.fromisoformat(str(value)),
    "DATETIME": lambda value: _moment(value).replace(tzinfo=None),
    "TIMESTAMP": _timestamp,
    "JSON": _json,
}
