"""Date and time functions: a DATE stays a DATE, a TIMESTAMP is an instant, zones are those that are written."""

from __future__ import annotations

import re
from typing import Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.casts import cast, moment_text
from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.functions.parts import (
    MICROSECONDS,
    MONTHS,
    part_name,
    truncated_date,
    truncated_datetime,
    truncated_timestamp,
    week_day,
    zone_of,
)
from nbactl.adapters.duckdb.sql.functions.table import Call, Function, fn, special
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import (
    DATE,
    DATETIME,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
    Type,
    Value,
    coerces,
    duckdb_name,
)

_TWO: Final = 2
_THREE: Final = 3
_SIX: Final = 6
_RANGE: Final = {
    "DATE": "{r} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'",
    "DATETIME": "{r} >= TIMESTAMP '0001-01-01 00:00:00' AND {r} < TIMESTAMP '10000-01-01 00:00:00'",
    "TIMESTAMP": "{r} >= TIMESTAMPTZ '0001-01-01 00:00:00+00' AND {r} < TIMESTAMPTZ '10000-01-01 00:00:00+00'",
}


def _page(kind: str, name: str) -> str:
    return f"{kind.lower()}_functions#{name.lower()}"


def in_range(sql: str, kind: Type, call: Call) -> str:
    """Return a moment; beyond the years 1 to 9999 there is none in BigQuery."""
    inside = _RANGE[kind.kind].replace("{r}", sql)
    return f"(CASE WHEN NOT ({inside}) THEN {call.fail(f'{kind} out of range')} ELSE {sql} END)"


def _moment(call: Call, number: int, *kinds: Type) -> Value:
    """Compile an argument that is one of some types; a literal is of the first."""
    value = call.value(number)
    for kind in kinds:
        if value.type == kind:
            return value
    for kind in kinds:
        if coerces(value, kind):
            return Value(as_type(value, kind, call.arguments[number]), kind)
    if value.type == DATE and DATETIME in kinds:
        return Value(f"CAST({value.sql} AS TIMESTAMP)", DATETIME)
    listed = " or ".join(str(kind) for kind in kinds)
    raise invalid(f"argument {number + 1} of {call.name} is {listed}, not {value.type}", call.arguments[number])


_OWN: Final = {"DATE": (DATE, DATETIME, TIMESTAMP), "DATETIME": (DATETIME,), "TIMESTAMP": (TIMESTAMP,)}


def _no_part(call: Call, part: str, kind: Type, node: exp.Expr) -> Exception:
    return invalid(f"{call.name} of a {kind} has no part {part}", node)


def _interval(call: Call, number: int) -> tuple[str, str]:
    node = call.arguments[number]
    if not isinstance(node, exp.Interval) or node.this is None or not isinstance(node.args.get("unit"), exp.Var):
        raise refused(f"{call.name} with this INTERVAL", node, "Write INTERVAL number part.")
    unit = node.args["unit"].name.upper()
    inner = node.this
    if isinstance(inner, exp.Literal) and inner.is_string:
        if not inner.this.lstrip("-").isdigit():
            raise refused(f"INTERVAL '{inner.this}'", node, "Write INTERVAL number part.")
        return f"CAST({int(inner.this)} AS BIGINT)", unit
    value = call.compile_(call.ctx, inner, call.scope)
    if not coerces(value, INT64):
        raise invalid(f"INTERVAL takes an INT64, not {value.type}", node)
    return as_type(value, INT64), unit


_FARTHEST: Final = {
    "DAY": 4_000_000,
    "WEEK": 600_000,
    **{unit: 120_000 // months for unit, months in MONTHS.items()},
    **{unit: 400_000_000_000_000_000 // micros for unit, micros in MICROSECONDS.items() if unit != "DAY"},
}
"""Distances that leave the calendar from every moment in it, and that DuckDB still computes."""


def _clamped(number: str, unit: str) -> str:
    most = _FARTHEST.get(unit)
    literal = re.fullmatch(r"CAST\((-?\d+) AS BIGINT\)", number)
    if most is None or (literal is not None and abs(int(literal[1])) <= most):
        return number
    return f"(CASE WHEN {number} > {most} THEN {most} WHEN {number} < -{most} THEN -{most} ELSE {number} END)"


def _adder(kind: str, name: str, sign: str) -> Function:
    @special(f"{kind}_{name}", _page(kind, f"{kind}_{name}"), f"{kind}, INTERVAL INT64 part -> {kind}", safe=True)
    def build(call: Call) -> Value:
        call.count(_TWO)
        value = _moment(call, 0, *_OWN[kind])
        number, unit = _interval(call, 1)
        number = _clamped(number, unit)
        number = number if sign == "+" else f"(-{number})"
        own = value.type
        if unit in ("DAY", "WEEK") and own == DATE:
            days = number if unit == "DAY" else f"({number} * 7)"
            literal = re.fullmatch(r"\(-CAST\((\d+) AS BIGINT\)\)", days)
            moved = f"({value.sql} - {literal[1]})" if literal else f"({value.sql} + CAST({days} AS INTEGER))"
        elif unit in MONTHS and own != TIMESTAMP:
            months = f"to_months(CAST({number} * {MONTHS[unit]} AS INTEGER))"
            moved = f"CAST({value.sql} + {months} AS {duckdb_name(own)})"
        elif own != DATE and unit in MICROSECONDS:
            moved = f"({value.sql} + to_microseconds({number} * {MICROSECONDS[unit]}))"
        elif own == DATETIME and unit == "WEEK":
            moved = f"({value.sql} + to_microseconds({number} * {7 * MICROSECONDS['DAY']}))"
        else:
            raise _no_part(call, unit, own, call.arguments[1])
        return Value(in_range(moved, own, call), own, aggregate=value.aggregate)

    return build


def _difference(kind: str) -> Function:
    @special(f"{kind}_DIFF", _page(kind, f"{kind}_diff"), f"{kind}, {kind}, part -> INT64", safe=True)
    def build(call: Call) -> Value:
        call.count(_THREE)
        one, other = _moment(call, 0, *_OWN[kind]), _moment(call, 1, *_OWN[kind])
        if one.type != other.type and DATETIME in (one.type, other.type) and DATE in (one.type, other.type):
            one, other = (Value(f"CAST({value.sql} AS TIMESTAMP)", DATETIME) for value in (one, other))
        if one.type != other.type:
            raise invalid(f"{call.name} of {one.type} and {other.type}", call.node, instead="CAST one of them.")
        part = part_name(call.arguments[2])
        sql = _between(one.sql, other.sql, part, one.type)
        if sql is None:
            raise _no_part(call, part, one.type, call.arguments[2])
        return Value(sql, INT64, aggregate=one.aggregate or other.aggregate)

    return build


def _between(end: str, start: str, part: str, kind: Type) -> str | None:
    """Whole units that passed between instants; borders that were crossed between dates and datetimes."""
    if kind == TIMESTAMP:
        unit = MICROSECONDS.get(part)
        passed = f"(epoch_us({end}) - epoch_us({start}))"
        return None if unit is None else f"({passed} // {unit})"
    if part in MICROSECONDS and part != "DAY":
        return None if kind == DATE else f"date_diff('{part.lower()}', {start}, {end})"
    days = [f"CAST({sql} AS DATE)" for sql in (end, start)]
    if part == "DAY":
        return f"({days[0]} - {days[1]})"
    if week_day(part) is not None:
        return f"(({truncated_date(days[0], part)} - {truncated_date(days[1], part)}) // 7)"
    if part in MONTHS:
        return f"date_diff('{part.lower()}', {days[1]}, {days[0]})"
    return f"(isoyear({days[0]}) - isoyear({days[1]}))" if part == "ISOYEAR" else None


def _truncation(kind: str) -> Function:
    @special(f"{kind}_TRUNC", _page(kind, f"{kind}_trunc"), f"{kind}, part -> {kind}", safe=True)
    def build(call: Call) -> Value:
        count = call.count(_TWO, _THREE)
        kinds = {
            "DATE": (DATE, DATETIME, TIMESTAMP),
            "DATETIME": (DATETIME, TIMESTAMP),
            "TIMESTAMP": (TIMESTAMP, DATETIME),
        }
        value = _moment(call, 0, *kinds[kind])
        part = part_name(call.arguments[1])
        if count == _THREE and value.type != TIMESTAMP:
            raise invalid(f"{call.name} of a {value.type} has no time zone", call.node)
        sql = (
            truncated_date(value.sql, part)
            if value.type == DATE
            else truncated_datetime(value.sql, part)
            if value.type == DATETIME
            else truncated_timestamp(value.sql, part, zone_of(call, 2))
        )
        if sql is None:
            raise _no_part(call, part, value.type, call.arguments[1])
        if week_day(part) is not None or part == "ISOYEAR":  # these may begin before the first day of the calendar
            sql = in_range(sql, value.type, call)
        return Value(sql, value.type, aggregate=value.aggregate)

    return build


@special("LAST_DAY", _page("date", "last_day"), "DATE[, part] -> DATE", safe=True)
def _last_day(call: Call) -> Value:
    count = call.count(1, _TWO)
    value = _moment(call, 0, DATE, DATETIME)
    part = part_name(call.arguments[1]) if count == _TWO else "MONTH"
    day = value.sql if value.type == DATE else f"CAST({value.sql} AS DATE)"
    first = truncated_date(day, part)
    if first is None or part == "DAY":
        raise _no_part(call, part, value.type, call.node)
    if week_day(part) is not None:
        return Value(in_range(f"({first} + 6)", DATE, call), DATE)
    if part == "ISOYEAR":
        raise refused("LAST_DAY(…, ISOYEAR)", call.node)
    return Value(f"CAST({first} + to_months({MONTHS[part]}) - to_days(1) AS DATE)", DATE)


@special("CURRENT_DATE", _page("date", "current_date"), "[zone] -> DATE")
def _current_date(call: Call) -> Value:
    call.count(0, 1)
    return Value(f"CAST({zone_of(call, 0).local('now()')} AS DATE)", DATE)


@special("CURRENT_DATETIME", _page("datetime", "current_datetime"), "[zone] -> DATETIME")
def _current_datetime(call: Call) -> Value:
    call.count(0, 1)
    return Value(zone_of(call, 0).local("now()"), DATETIME)


@special("CURRENT_TIMESTAMP", _page("timestamp", "current_timestamp"), "-> TIMESTAMP")
def _current_timestamp(call: Call) -> Value:
    call.count(0)
    return Value("now()", TIMESTAMP)


def _made_date(call: Call) -> str:
    year, month, day = (call.typed(number, INT64) for number in range(3))
    written = f"printf('%04d-%02d-%02d', {year}, {month}, {day})"
    inside = f"{year} BETWEEN 1 AND 9999 AND {month} BETWEEN 1 AND 12 AND {day} BETWEEN 1 AND 31"
    made = f"(CASE WHEN {inside} THEN TRY_CAST({written} AS DATE) END)"
    known = f"{year} IS NOT NULL AND {month} IS NOT NULL AND {day} IS NOT NULL"
    return f"(CASE WHEN {made} IS NOT NULL THEN {made} WHEN {known} THEN {call.fail('not a DATE')} END)"


def _made_time(call: Call, first: int) -> str:
    hour, minute, second = (call.typed(first + number, INT64) for number in range(3))
    inside = f"{hour} BETWEEN 0 AND 23 AND {minute} BETWEEN 0 AND 59 AND {second} BETWEEN 0 AND 59"
    known = f"{hour} IS NOT NULL AND {minute} IS NOT NULL AND {second} IS NOT NULL"
    made = f"make_time({hour}, {minute}, CAST({second} AS DOUBLE))"
    return f"(CASE WHEN {inside} THEN {made} WHEN {known} THEN {call.fail('not a TIME')} END)"


@special(
    "DATE",
    _page("date", "date"),
    "INT64, INT64, INT64 -> DATE",
    "TIMESTAMP[, zone] -> DATE",
    "DATETIME -> DATE",
    safe=True,
)
def _date(call: Call) -> Value:
    if call.count(1, _TWO, _THREE) == _THREE:
        return Value(_made_date(call), DATE)
    value = call.value(0)
    if value.type in (DATE, STRING, DATETIME) and len(call.arguments) == 1:
        return cast(value, DATE, call.node, safe=call.safe)
    value = _moment(call, 0, TIMESTAMP)
    return Value(f"CAST({zone_of(call, 1).local(value.sql)} AS DATE)", DATE, aggregate=value.aggregate)


@special(
    "DATETIME",
    _page("datetime", "datetime"),
    "INT64 (six) -> DATETIME",
    "DATE, TIME -> DATETIME",
    "TIMESTAMP[, zone] -> DATETIME",
    "DATE -> DATETIME",
    safe=True,
)
def _datetime(call: Call) -> Value:
    count = call.count(1, _TWO, _SIX)
    if count == _SIX:
        return Value(f"({_made_date(call)} + {_made_time(call, 3)})", DATETIME)
    value = call.value(0)
    if count == _TWO and value.type == DATE:
        return Value(f"({value.sql} + {call.typed(1, TIME)})", DATETIME)
    if value.type == TIMESTAMP:
        return Value(zone_of(call, 1).local(value.sql), DATETIME, aggregate=value.aggregate)
    if count == _TWO:
        raise invalid(f"DATETIME of {value.type} takes one argument", call.node)
    return cast(value, DATETIME, call.node, safe=call.safe)


@special(
    "TIMESTAMP",
    _page("timestamp", "timestamp"),
    "STRING[, zone] -> TIMESTAMP",
    "DATE[, zone] -> TIMESTAMP",
    "DATETIME[, zone] -> TIMESTAMP",
    safe=True,
)
def _timestamp(call: Call) -> Value:
    count = call.count(1, _TWO)
    value = call.value(0)
    if value.type == TIMESTAMP and count == 1:
        return value
    zone = zone_of(call, 1)
    if value.type == STRING and count == 1:
        return cast(value, TIMESTAMP, call.node, safe=call.safe)
    if value.type == STRING:
        local = cast(value, DATETIME, call.node, safe=call.safe)
    else:
        local = _moment(call, 0, DATETIME, DATE)
    plain = local.sql if local.type == DATETIME else f"CAST({local.sql} AS TIMESTAMP)"
    return Value(zone.instant(plain), TIMESTAMP, aggregate=value.aggregate)


@special(
    "TIME",
    _page("time", "time"),
    "INT64, INT64, INT64 -> TIME",
    "TIMESTAMP[, zone] -> TIME",
    "DATETIME -> TIME",
    safe=True,
)
def _time(call: Call) -> Value:
    if call.count(1, _TWO, _THREE) == _THREE:
        return Value(_made_time(call, 0), TIME)
    value = _moment(call, 0, TIMESTAMP, DATETIME)
    local = zone_of(call, 1).local(value.sql) if value.type == TIMESTAMP else value.sql
    return Value(f"CAST({local} AS TIME)", TIME)


@special("STRING", _page("timestamp", "string"), "TIMESTAMP[, zone] -> STRING", "JSON -> STRING", safe=True)
def _string(call: Call) -> Value:
    count = call.count(1, _TWO)
    value = call.value(0)
    if value.type.kind == "JSON" and count == 1:
        fail = call.fail("the JSON is not a STRING")
        found = f"json_type({value.sql})"
        read = f"json_extract_string({value.sql}, '$')"
        return Value(f"(CASE WHEN {found} = 'VARCHAR' THEN {read} WHEN {found} IS NOT NULL THEN {fail} END)", STRING)
    if value.type in (DATE, DATETIME) and count == 1:
        return cast(value, STRING, call.node, safe=False)
    value = _moment(call, 0, TIMESTAMP)
    zone = zone_of(call, 1)
    local = zone.local(value.sql)
    minutes = f"CAST((epoch_us({local}) - epoch_us({value.sql})) // 60000000 AS BIGINT)"
    hours = f"printf('%02d', ABS({minutes}) // 60)"
    rest = f"CASE WHEN {minutes} % 60 = 0 THEN '' ELSE printf(':%02d', ABS({minutes}) % 60) END"
    sign = f"CASE WHEN {minutes} < 0 THEN '-' ELSE '+' END"
    return Value(f"({moment_text(local, '%Y-%m-%d %H:%M:%S')} || {sign} || {hours} || {rest})", STRING)


def _floored(unit: int) -> str:
    micros = "epoch_us({0})"
    return f"(({micros} - (({micros} % {unit}) + {unit}) % {unit}) // {unit})" if unit > 1 else micros


def _from_unix(name: str, unit: int) -> Function:
    @special(name, _page("timestamp", name), "INT64 -> TIMESTAMP", safe=True)
    def build(call: Call) -> Value:
        call.count(1)
        number = call.typed(0, INT64)
        inside = f"{number} BETWEEN {-62135596800 * 1000000 // unit} AND {253402300799 * 1000000 // unit}"
        made = f"(TIMESTAMPTZ '1970-01-01 00:00:00+00' + to_microseconds({number} * {unit}))"
        fail = call.fail("TIMESTAMP out of range")
        return Value(f"(CASE WHEN {inside} THEN {made} WHEN {number} IS NOT NULL THEN {fail} END)", TIMESTAMP)

    return build


@special("DATE_FROM_UNIX_DATE", _page("date", "date_from_unix_date"), "INT64 -> DATE", safe=True)
def _from_unix_date(call: Call) -> Value:
    call.count(1)
    number = call.typed(0, INT64)
    inside = f"{number} BETWEEN -719162 AND 2932896"
    made = f"(DATE '1970-01-01' + CAST({number} AS INTEGER))"
    return Value(
        f"(CASE WHEN {inside} THEN {made} WHEN {number} IS NOT NULL THEN {call.fail('DATE out of range')} END)", DATE
    )


FUNCTIONS: Final = (
    *(_adder(kind, "ADD", "+") for kind in _OWN),
    *(_adder(kind, "SUB", "-") for kind in _OWN),
    *(_difference(kind) for kind in _OWN),
    *(_truncation(kind) for kind in _OWN),
    _last_day, _current_date, _current_datetime, _current_timestamp, _date, _datetime, _timestamp, _time, _string,
    _from_unix_date,
    fn("UNIX_DATE", _page("date", "unix_date"), ("DATE -> INT64", "({0} - DATE '1970-01-01')")),
    fn("UNIX_SECONDS", _page("timestamp", "unix_seconds"), ("TIMESTAMP -> INT64", _floored(1_000_000))),
    fn("UNIX_MILLIS", _page("timestamp", "unix_millis"), ("TIMESTAMP -> INT64", _floored(1_000))),
    fn("UNIX_MICROS", _page("timestamp", "unix_micros"), ("TIMESTAMP -> INT64", _floored(1))),
    _from_unix("TIMESTAMP_SECONDS", 1_000_000),
    _from_unix("TIMESTAMP_MILLIS", 1_000),
    _from_unix("TIMESTAMP_MICROS", 1),
)  # fmt: skip
