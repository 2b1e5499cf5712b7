"""Array functions."""

from __future__ import annotations

from typing import Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.functions.table import Call, special
from nbactl.adapters.duckdb.sql.operators import unified
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import DATE, INT64, STRING, Value, array

_PAGE: Final = "array_functions#"
_TWO: Final = 2
_THREE: Final = 3


def _array(call: Call, number: int = 0) -> Value:
    value = call.value(number)
    if value.type.element is None:
        raise invalid(f"{call.name} takes an ARRAY, not {value.type}", call.node)
    return value


@special("ARRAY_LENGTH", f"{_PAGE}array_length", "ARRAY -> INT64", safe=True)
def _length(call: Call) -> Value:
    call.count(1)
    value = _array(call)
    return Value(f"LEN({value.sql})", INT64, aggregate=value.aggregate)


@special("ARRAY_REVERSE", f"{_PAGE}array_reverse", "ARRAY -> ARRAY", safe=True)
def _reverse(call: Call) -> Value:
    call.count(1)
    value = _array(call)
    return Value(f"list_reverse({value.sql})", value.type, aggregate=value.aggregate)


@special("ARRAY_CONCAT", f"{_PAGE}array_concat", "ARRAY... -> ARRAY", safe=True)
def _concat(call: Call) -> Value:
    values = [_array(call, number) for number in range(len(call.arguments))]
    kind, sqls = unified(values, "ARRAY_CONCAT", call.node)
    return Value(f"({' || '.join(sqls)})", kind, aggregate=any(value.aggregate for value in values))


@special("ARRAY_FIRST", f"{_PAGE}array_first", "ARRAY -> value", safe=True)
def _first(call: Call) -> Value:
    return _end(call, "1")


@special("ARRAY_LAST", f"{_PAGE}array_last", "ARRAY -> value", safe=True)
def _last(call: Call) -> Value:
    return _end(call, "-1")


def _end(call: Call, position: str) -> Value:
    call.count(1)
    value = _array(call)
    kind = value.type.element or INT64
    empty = call.fail(f"{call.name} of an empty array")
    sql = f"(CASE WHEN LEN({value.sql}) = 0 THEN {empty} ELSE LIST_EXTRACT({value.sql}, {position}) END)"
    return Value(sql, kind, aggregate=value.aggregate)


@special("GENERATE_ARRAY", f"{_PAGE}generate_array", "INT64, INT64[, INT64] -> ARRAY<INT64>", safe=True)
def _generate(call: Call) -> Value:
    count = call.count(_TWO, _THREE)
    if any(value.type != INT64 for value in call.values() if value.type.kind != "NULL"):
        raise refused("GENERATE_ARRAY of other numbers than INT64", call.node)
    start, end = call.typed(0, INT64), call.typed(1, INT64)
    step = call.typed(2, INT64) if count == _THREE else "1"
    zero = f"WHEN {step} = 0 THEN {call.fail('a step of 0')} " if count == _THREE else ""
    return Value(
        f"(CASE {zero}WHEN {start} IS NULL OR {end} IS NULL OR {step} IS NULL THEN NULL "
        f"ELSE generate_series({start}, {end}, {step}) END)",
        array(INT64),
    )


@special("GENERATE_DATE_ARRAY", f"{_PAGE}generate_date_array", "DATE, DATE[, INTERVAL n part] -> ARRAY<DATE>")
def _generate_dates(call: Call) -> Value:
    count = call.count(_TWO, _THREE)
    start, end = call.typed(0, DATE), call.typed(1, DATE)
    step = "INTERVAL 1 DAY"
    if count == _THREE:
        interval = call.arguments[2]
        unit = interval.args["unit"].name.upper() if isinstance(interval, exp.Interval) else ""
        number = interval.this if isinstance(interval, exp.Interval) else None
        written = number.this if isinstance(number, exp.Literal) else ""
        if unit not in ("DAY", "WEEK") or not written.isdigit() or not int(written):
            raise refused("GENERATE_DATE_ARRAY with this step", interval, "Step by a positive number of DAY or WEEK.")
        step = f"INTERVAL {int(written)} {unit}"
    sql = f"CAST(generate_series(CAST({start} AS TIMESTAMP), CAST({end} AS TIMESTAMP), {step}) AS DATE[])"
    return Value(sql, array(DATE))


@special("ARRAY_TO_STRING", f"{_PAGE}array_to_string", "ARRAY<STRING>, STRING[, STRING] -> STRING", safe=True)
def _to_string(call: Call) -> Value:
    count = call.count(_TWO, _THREE)
    value = _array(call)
    items, separator = as_type(value, array(STRING)), call.typed(1, STRING)
    if value.type != array(STRING):
        raise refused(f"ARRAY_TO_STRING of {value.type}", call.node, "CAST the elements to STRING.")
    if count == _THREE:
        items = f"list_transform({items}, lambda _x: COALESCE(_x, {call.typed(2, STRING)}))"
    else:
        items = f"list_filter({items}, lambda _x: _x IS NOT NULL)"
    known = f"{separator} IS NOT NULL AND {items} IS NOT NULL"
    joined = f"COALESCE(array_to_string({items}, {separator}), '')"
    return Value(f"(CASE WHEN {known} THEN {joined} END)", STRING, aggregate=value.aggregate)


FUNCTIONS: Final = (_length, _reverse, _concat, _first, _last, _generate, _generate_dates, _to_string)
