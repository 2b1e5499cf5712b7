"""Operators: arithmetic by type, comparisons with NaN, LIKE with its backslash."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import BOOL, FLOAT64, INT64, NUMERIC, Type, Value, common, is_number

if TYPE_CHECKING:
    from sqlglot import exp

_COMPARABLE: Final = frozenset(
    {"INT64", "FLOAT64", "NUMERIC", "BOOL", "STRING", "BYTES", "DATE", "DATETIME", "TIME", "TIMESTAMP", "NULL"}
)
ZERO: Final = "ERROR('division by zero')"
OVERFLOW: Final = "ERROR('FLOAT64 overflow')"
_SAFE_EXPONENT: Final = 1e300
_LOST_IN_LARGEST: Final = 1e290
"""Up to this a number makes no FLOAT64 infinite that is added to it: the sum rounds to the largest FLOAT64."""
_WHOLE_LITERAL: Final = re.compile(r"CAST\((-?\d+) AS BIGINT\)")
_LARGEST_INT: Final = 2.0**63
NUMERIC_STEP: Final = "CAST('0.000000001' AS DECIMAL(9,9))"


def finished(value: Value) -> Value:
    """Return FLOAT64 arithmetic with the check that nothing but an infinite operand made it infinite."""
    if value.type != FLOAT64 or value.bound < _SAFE_EXPONENT or not value.leaves:
        return Value(value.sql, value.type, value.literal, value.parameter, value.aggregate, (), value.bound)
    finite = " AND ".join(f"isfinite({leaf})" for leaf in dict.fromkeys(value.leaves))
    wrong = f"NOT isfinite({value.sql}) AND {finite}"  # not of NULL
    sql = f"(CASE WHEN {wrong} THEN {OVERFLOW} ELSE {value.sql} END)"
    return Value(sql, FLOAT64, aggregate=value.aggregate)


def arithmetic(sign: str, left: Value, right: Value, node: exp.Expr) -> Value:
    """Return `left sign right` of numbers; a FLOAT64 result is to be `finished`."""
    kind = common([left, right])
    if kind is None or (kind.kind != "NULL" and not is_number(kind)):
        raise invalid(f"operator {sign} does not take {left.type} and {right.type}", node)
    aggregate = left.aggregate or right.aggregate
    if kind.kind == "NULL" or (kind == INT64 and sign == "/"):
        kind = FLOAT64 if sign == "/" else INT64
    if kind == INT64:
        return Value(f"({as_type(left, INT64)} {sign} {as_type(right, INT64)})", INT64, aggregate=aggregate)
    if kind == NUMERIC:
        return Value(numeric_arithmetic(sign, left, right, ZERO), NUMERIC, aggregate=aggregate)
    if sign == "/":
        right = finished(right)
    one, other = _operand(left), _operand(right)
    bound = {
        "*": one.bound * other.bound,
        "/": one.bound if right.type == INT64 or _at_least_one(right) else math.inf,
    }.get(sign, one.bound + other.bound)
    sql = f"({one.sql} {sign} {other.sql})"
    if sign in "+-" and ((_is_small(right) and not left.leaves) or (_is_small(left) and not right.leaves)):
        return Value(sql, FLOAT64, aggregate=aggregate, bound=bound)
    if sign == "/" and not _is_not_zero(right):
        sql = f"(CASE WHEN {other.sql} = 0 THEN {ZERO} ELSE {one.sql} / {other.sql} END)"
    return Value(sql, FLOAT64, aggregate=aggregate, leaves=(one.leaves + other.leaves) or ("0e0",), bound=bound)


def _operand(value: Value) -> Value:
    sql = as_type(value, FLOAT64)
    if value.type == FLOAT64 and (value.leaves or value.literal is not None):
        return value
    if value.type == INT64:
        return Value(sql, FLOAT64, bound=_LARGEST_INT)
    if value.type == NUMERIC:
        return Value(sql, FLOAT64, bound=1e29)
    return Value(sql, FLOAT64, leaves=(sql,), bound=value.bound)


def _at_least_one(value: Value) -> bool:
    return value.literal is not None and value.type == FLOAT64 and abs(float(value.literal)) >= 1


def _is_small(value: Value) -> bool:
    return value.literal is not None and value.type == FLOAT64 and abs(float(value.literal)) <= _LOST_IN_LARGEST


def whole_literal(value: Value) -> int | None:
    """Return the number of an INT64 literal, None for another value."""
    found = _WHOLE_LITERAL.fullmatch(value.sql) if value.type == INT64 else None
    return int(found[1]) if found else None


def is_number_literal(value: Value) -> bool:
    """Return whether it is a number in the text of the query: neither NULL nor NaN."""
    return whole_literal(value) is not None or (value.literal is not None and value.type == FLOAT64)


def _is_not_zero(value: Value) -> bool:
    if (number := whole_literal(value)) is not None:
        return number != 0
    return value.literal is not None and is_number(value.type) and float(value.literal) != 0


def unscaled(sql: str) -> str:
    """Return a NUMERIC as the whole number of its 10⁻⁹; fails beyond 10²⁰."""
    return f"CAST({sql} * 1000000000 AS HUGEINT)"


def rounded_quotient(dividend: str, divisor: str) -> str:
    """Return the NUMERIC whose 10⁻⁹ are dividend / divisor (HUGEINT), rounded half away from zero."""
    half = f"SIGN({dividend}) * (ABS({divisor}) // 2)"
    return f"CAST(CAST(({dividend} + {half}) // {divisor} AS DECIMAL(38,0)) * {NUMERIC_STEP} AS DECIMAL(38,9))"


def numeric_arithmetic(sign: str, left: Value, right: Value, zero: str) -> str:
    """Return arithmetic of NUMERIC; `zero` is what a division by zero gives."""
    one, other = as_type(left, NUMERIC), as_type(right, NUMERIC)
    if sign == "*":
        if right.type == INT64:
            other = right.sql
        elif left.type == INT64:
            one = left.sql
        return f"CAST({one} * {other} AS DECIMAL(38,9))"
    if sign != "/":
        return f"({one} {sign} {other})"
    if right.type == INT64:
        quotient = rounded_quotient(unscaled(one), f"CAST(NULLIF({right.sql}, 0) AS HUGEINT)")
        is_zero = f"{right.sql} = 0"
    else:
        quotient = rounded_quotient(f"({unscaled(one)} * 1000000000)", f"NULLIF({unscaled(other)}, 0)")
        is_zero = f"{other} = 0"
    return quotient if _is_not_zero(right) else f"(CASE WHEN {is_zero} THEN {zero} ELSE {quotient} END)"


def compared(sign: str, left: Value, right: Value, node: exp.Expr | None) -> Value:
    """Return a comparison; NaN is neither equal to anything nor less nor greater."""
    kind = common([left, right])
    if kind is None:
        raise invalid(f"operator {sign} does not take {left.type} and {right.type}", node, instead="CAST one of them.")
    if kind.kind not in _COMPARABLE:
        raise refused(f"{sign} of {kind.kind}", node, "Compare parts of it.")
    one, other = as_type(left, kind, node), as_type(right, kind, node)
    aggregate = left.aggregate or right.aggregate
    sql = f"({one} {sign} {other})"
    if kind == FLOAT64:
        sql = _with_nan(sign, (one, _can_be_nan(left)), (other, _can_be_nan(right)))
    return Value(sql, BOOL, aggregate=aggregate)


def _can_be_nan(value: Value) -> bool:
    return value.type == FLOAT64 and value.literal is None


def _with_nan(sign: str, left: tuple[str, bool], right: tuple[str, bool]) -> str:
    if sign in ("<", "<="):
        sign, left, right = {"<": ">", "<=": ">="}[sign], right, left
    (one, one_nan), (other, other_nan) = left, right
    plain = f"({one} {sign} {other})"
    if sign in (">", ">="):
        return f"({plain} AND NOT (isnan({one}) AND {other} IS NOT NULL))" if one_nan else plain
    if not (one_nan and other_nan):
        return plain
    both = f"(isnan({one}) AND isnan({other}))"
    return f"({plain} AND NOT {both})" if sign == "=" else f"({plain} OR {both})"


def negated(value: Value, node: exp.Expr) -> Value:
    """Return minus a number."""
    if not is_number(value.type):
        raise invalid(f"operator - does not take {value.type}", node)
    literal = f"-{value.literal}" if value.literal is not None else None
    if value.type == INT64:  # DuckDB's minus of a constant leaves 64 bits
        return Value(f"(CAST(0 AS BIGINT) - {value.sql})", INT64, aggregate=value.aggregate)
    return Value(f"(-{value.sql})", value.type, literal, value.parameter, value.aggregate, value.leaves, value.bound)


def boolean(value: Value, word: str, node: exp.Expr) -> str:
    """Return a condition. Raises DataError for a value that is not a BOOL."""
    if value.type.kind not in ("BOOL", "NULL"):
        raise invalid(f"{word} needs a BOOL, not {value.type}", node)
    return as_type(value, BOOL)


def unified(values: list[Value], what: str, node: exp.Expr) -> tuple[Type, list[str]]:
    """Return several values as one type. Raises DataError if there is none."""
    kind = common(values)
    if kind is None:
        types = ", ".join(dict.fromkeys(str(value.type) for value in values))
        raise invalid(f"{what} has values of different types: {types}", node, instead="CAST them to one type.")
    return kind, [as_type(value, kind, node) for value in values]
