"""The values of query parameters as they are typed: `NAME=VALUE` is a STRING, `NAME:TYPE=VALUE` of another type."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.names import closest, did_you_mean
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FORM: Final = re.compile(r"(?P<name>[A-Za-z_]\w*)(?::(?P<type>[A-Za-z0-9<> ]+))?=(?P<value>.*)", re.DOTALL)
_ARRAY: Final = re.compile(r"ARRAY<(\w+)>", re.ASCII)
_ALIASES: Final = {
    **dict.fromkeys(("INT", "INTEGER", "BIGINT"), "INT64"),
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "DECIMAL": "NUMERIC",
}
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_WORDS: Final = frozenset({"today", "yesterday", "tomorrow"})
_NUMERIC_DIGITS: Final = (29, 9)
"""Digits of a NUMERIC before and after the point."""


def parse_parameters(given: Sequence[str], named: Sequence[str], *, now: datetime) -> dict[str, Any]:
    """Return the values of `--param`, by the names that the query has them under.

    Raises UsageError for a bad value, a parameter that the query does not name, one that is given twice or missing.
    """
    values: dict[str, Any] = {}
    for text in given:
        name, value = _parse(text, now)
        if name.lower() in values:
            raise UsageError(f"--param {name} is given twice", next_step="Give each parameter once.")
        if name.lower() not in named:
            known = ", ".join(f"@{one}" for one in named) or "none"
            match = closest(name, named)
            raise UsageError(
                f"--param {name}: the query has no parameter @{name}",
                cause=f"Its parameters: {known}.",
                next_step=f"Did you mean '{match}'?" if match else "Leave it out, or use it in the query.",
            )
        values[name.lower()] = value
    if missing := [name for name in named if name not in values]:
        raise UsageError(
            f"no value for the query's parameter{'s' if len(missing) > 1 else ''} "
            + ", ".join(f"@{name}" for name in missing),
            next_step=f"Add --param {missing[0]}=VALUE, or --param {missing[0]}:TYPE=VALUE.",
        )
    return values


def untyped(given: Sequence[str]) -> list[str]:
    """Return the names that were given without a type."""
    matches = [_FORM.fullmatch(text) for text in given]
    return [match["name"] for match in matches if match and not match["type"]]


def _parse(text: str, now: datetime) -> tuple[str, Any]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--param: '{text}' is not NAME=VALUE or NAME:TYPE=VALUE",
            next_step="Examples: --param team=BOS, --param day:DATE=2024-01-15, --param 'teams:ARRAY<STRING>=BOS,LAL'",
        )
    name, kind, value = match["name"], (match["type"] or "STRING").upper().replace(" ", ""), match["value"]
    array = _ARRAY.fullmatch(kind)
    if array is None:
        return name, _value(name, _known_type(name, kind), value, now)
    element = _known_type(name, array[1])
    parts = _elements(name, value)
    if not parts:
        raise UsageError(f"--param {name}: an array needs at least one element", next_step="Give a,b or a JSON array.")
    return name, [_value(name, element, part, now) for part in parts]


def _elements(name: str, text: str) -> list[str]:
    """Return the elements of `a,b`, or of a JSON array, in which an element may have a comma."""
    if not text.startswith("["):
        return text.split(",") if text else []
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"--param {name}: '{text}' is not a JSON array", cause=str(error), next_step='Examples: a,b or ["a,b","c"].'
        ) from error
    return [part if isinstance(part, str) else json.dumps(part) for part in listed]


def _known_type(name: str, kind: str) -> str:
    kind = _ALIASES.get(kind, kind)
    if kind in _PARSERS:
        return kind
    next_step = did_you_mean(kind, [*_PARSERS, *_ALIASES], otherwise=f"Known: {', '.join(_PARSERS)}, ARRAY<TYPE>.")
    if kind == "JSON":
        next_step = f"Give it as a STRING, and write PARSE_JSON(@{name}) in the query."
    raise UsageError(f"--param {name}: '{kind}' is not a type of a parameter", next_step=next_step)


def _value(name: str, kind: str, text: str, now: datetime) -> Any:  # noqa: ANN401 - of the parameter's type
    if kind == "DATE" and text in _WORDS:
        return GameDate.parse(text, now=now).day
    parser, example = _PARSERS[kind]
    try:
        return parser(text)
    except (ValueError, InvalidOperation) as error:
        raise UsageError(
            f"--param {name}: '{text}' is not a valid {kind}",
            cause=str(error) if str(error) and not isinstance(error, InvalidOperation) else None,
            next_step=f"Example: --param {name}:{kind}={example}",
        ) from error


def _int64(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("it is not a whole number")
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("it is out of range")
    return number


def _numeric(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError("it is not a number")
    before, after = _NUMERIC_DIGITS
    if number.adjusted() >= before or -int(number.normalize().as_tuple().exponent) > after:
        raise ValueError(f"a NUMERIC has {before} digits before the point and {after} after it")
    return number


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("it is neither true nor false")
    return text.lower() == "true"


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError("a date is YYYY-MM-DD, today, yesterday or tomorrow")
    return date.fromisoformat(text)


def _timestamp(text: str) -> datetime:
    if not _DATE.match(text) or len(text) == len("2024-01-15"):
        raise ValueError("it has no time of day")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"it has no time zone: {text}Z is UTC")
    return moment.astimezone(UTC)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_PARSERS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "STRING": (str, "BOS"),
    "INT64": (_int64, "20"),
    "FLOAT64": (float, "0.5"),
    "NUMERIC": (_numeric, "12.50"),
    "BOOL": (_bool, "true"),
    "DATE": (_date, "2024-01-15"),
    "TIMESTAMP": (_timestamp, "2024-01-15T19:30:00-05:00"),
    "BYTES": (_bytes, "aGVsbG8="),
}
"""By type: what reads a value, and an example."""
