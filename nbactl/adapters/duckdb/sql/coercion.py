"""Values turned into a type that they coerce to, and literals read as BigQuery reads them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from nbactl.adapters.duckdb.sql.parse import invalid
from nbactl.adapters.duckdb.sql.types import (
    DATE,
    DATETIME,
    FLOAT64,
    NULL,
    TIME,
    Type,
    Value,
    duckdb_name,
    identifier,
    struct_names,
    text,
)

if TYPE_CHECKING:
    from sqlglot import exp

_DATE: Final = r"(\d{4})-(\d{1,2})-(\d{1,2})"
_TIME: Final = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?"
_LITERALS: Final = {
    "DATE": re.compile(_DATE),
    "TIME": re.compile(_TIME),
    "DATETIME": re.compile(rf"{_DATE}(?:[ Tt]{_TIME})?"),
    "TIMESTAMP": re.compile(rf"{_DATE}(?:[ Tt]{_TIME}(?:([Zz])|([+-]\d{{1,2}})(?::(\d{{2}}))?| ([A-Za-z_/+\-\d]+))?)?"),
}


def as_type(value: Value, kind: Type, node: exp.Expr | None = None) -> str:
    """Return a value's SQL as another type that it coerces to."""
    if value.type == kind:
        return value.sql
    if value.type == NULL:
        return f"CAST(NULL AS {duckdb_name(kind)})"
    if value.literal is not None and kind.kind in _LITERALS:
        return moment(value.literal, kind, node)
    if value.literal is not None and kind.kind == "NUMERIC":
        return numeric(exact(value.literal) if value.type == FLOAT64 else value.literal, node)
    if kind.kind == "STRUCT":  # by position: DuckDB casts by name
        packed = ", ".join(
            f"{identifier(new)} := {as_type(Value(f'struct_extract({value.sql}, {text(old)})', own), wanted, node)}"
            for old, (_, own), new, (_, wanted) in zip(
                struct_names(value.type), value.type.fields, struct_names(kind), kind.fields, strict=True
            )
        )
        return f"(CASE WHEN {value.sql} IS NOT NULL THEN struct_pack({packed}) END)"
    return f"CAST({value.sql} AS {duckdb_name(kind)})"


def exact(literal: str) -> str:
    """Return a FLOAT64 literal as the decimal that it is, rounded as NUMERIC rounds."""
    with localcontext(prec=400):
        return f"{Decimal(float(literal)).quantize(Decimal('1e-9'), ROUND_HALF_UP):f}"


def numeric(literal: str, node: exp.Expr | None) -> str:
    """Return a NUMERIC literal. Raises DataError for another text."""
    try:
        number = Decimal(literal.strip())
    except InvalidOperation:
        raise invalid(f"'{literal}' is not a NUMERIC", node) from None
    if not number.is_finite() or not -(10**29) < number < 10**29:
        raise invalid(f"'{literal}' is out of range for NUMERIC", node)
    return f"CAST('{number:f}' AS DECIMAL(38,9))"


def moment(literal: str, kind: Type, node: exp.Expr | None) -> str:
    """Return the literal of a DATE, TIME, DATETIME or TIMESTAMP. Raises DataError for another text."""
    found = _LITERALS[kind.kind].fullmatch(literal)
    if found is None:
        raise invalid(f"'{literal}' is not a {kind}", node)
    try:
        return _moment(found.groups(), kind)
    except (ValueError, KeyError, OverflowError) as error:
        raise invalid(f"'{literal}' is not a {kind}", node, why=str(error)) from None


def _moment(parts: tuple[str | None, ...], kind: Type) -> str:
    if kind == TIME:
        return f"CAST({text(_time(parts).isoformat())} AS TIME)"
    day = date(*(int(part or 0) for part in parts[:3]))
    if kind == DATE:
        return f"CAST('{day.isoformat()}' AS DATE)"
    at = datetime.combine(day, _time(parts[3:7]))
    if kind == DATETIME:
        return f"CAST('{at.isoformat(' ')}' AS TIMESTAMP)"
    hours, minutes, zone = parts[8:11]
    if zone:
        at = at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
    elif hours:
        offset = timedelta(hours=abs(int(hours)), minutes=int(minutes or 0))
        at = at + offset if hours.startswith("-") else at - offset
    return f"CAST('{at.isoformat(' ')}+00' AS TIMESTAMPTZ)"


def _time(parts: tuple[str | None, ...]) -> time:
    hour, minute, second, fraction = parts
    return time(int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0")))
