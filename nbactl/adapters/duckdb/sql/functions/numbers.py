"""Mathematical functions: an error where there is no result, NaN only from NaN, NUMERIC computed as decimals."""

from __future__ import annotations

from typing import Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.functions.table import Call, fn, special
from nbactl.adapters.duckdb.sql.operators import is_number_literal, numeric_arithmetic, unified
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import FLOAT64, INT64, NUMERIC, Type, Value, common, is_number

_PAGE: Final = "mathematical_functions#"
_TWO: Final = 2
_EXACT: Final = 2**53
_CHECKED: Final = (
    "(CASE WHEN isfinite({r}) OR {r} IS NULL THEN {r} WHEN {finite} THEN {!the result is not a FLOAT64} ELSE {r} END)"
)


def _result(formula: str, count: int = 1) -> str:
    finite = " AND ".join(f"isfinite({{{number}}})" for number in range(count))
    return _CHECKED.replace("{r}", formula).replace("{finite}", finite)


def _numbers(call: Call) -> tuple[Type, list[str]]:
    values = call.values()
    kind, sqls = unified(values, call.name, call.node)
    if not is_number(kind) and kind.kind != "NULL":
        raise invalid(f"{call.name} takes numbers, not {kind}", call.node)
    return kind, sqls


def _digits(call: Call) -> int:
    """The number of digits is a literal: DuckDB needs it when it plans."""
    node = call.arguments[1]
    sign = -1 if isinstance(node, exp.Neg) else 1
    inner = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(inner, exp.Literal) or not inner.is_int:
        raise refused(f"{call.name} to a number of digits that is not a literal", node)
    return sign * int(inner.this)


@special("ROUND", f"{_PAGE}round", "FLOAT64[, literal] -> FLOAT64", "NUMERIC[, literal] -> NUMERIC")
def _round(call: Call) -> Value:
    digits = _digits(call) if call.count(1, _TWO) == _TWO else 0
    value = call.value(0)
    if not is_number(value.type) and value.type.kind != "NULL":
        raise invalid(f"ROUND takes a number, not {value.type}", call.node)
    if value.type == NUMERIC:
        sql = value.sql if digits >= 9 else f"CAST(ROUND({value.sql}, {max(digits, -30)}) AS DECIMAL(38,9))"  # noqa: PLR2004 - the scale of NUMERIC
        return Value(sql, NUMERIC, aggregate=value.aggregate)
    number = as_type(value, FLOAT64)
    if digits == 0 or (value.type == INT64 and digits > 0):
        return Value(f"ROUND({number})", FLOAT64, aggregate=value.aggregate, bound=value.bound)
    scale = min(max(digits, 9), 22)
    exact = f"CAST(printf('%.40f', {number}) AS DECIMAL(38,{scale}))"
    rounded = f"CAST(printf('%.40f', {number}) AS DECIMAL(38,{digits}))" if digits > 0 else f"ROUND({exact}, {digits})"
    if digits > 22:  # noqa: PLR2004 - what fits beside the digits before the point
        raise refused("ROUND of a FLOAT64 to more than 22 digits", call.node)
    limit = _EXACT if digits <= 15 else 10 ** (37 - digits)  # noqa: PLR2004 - 38 digits in all
    otherwise = number if digits <= 15 else f"ERROR('ROUND to {digits} digits of so large a number')"  # noqa: PLR2004
    sql = f"(CASE WHEN ABS({number}) < {limit} THEN CAST({rounded} AS DOUBLE) ELSE {otherwise} END)"
    return Value(sql, FLOAT64, aggregate=value.aggregate, bound=value.bound)


@special("TRUNC", f"{_PAGE}trunc", "FLOAT64 -> FLOAT64", "NUMERIC -> NUMERIC", safe=True)
def _trunc(call: Call) -> Value:
    if len(call.arguments) == _TWO:
        raise refused("TRUNC to a number of digits", call.node, "Use TRUNC(x * 100) / 100.")
    call.count(1)
    return _whole(call, "TRUNC")


@special("CEIL", f"{_PAGE}ceil", "FLOAT64 -> FLOAT64", "NUMERIC -> NUMERIC", safe=True)
def _ceil(call: Call) -> Value:
    return _whole(call, "CEIL")


@special("CEILING", f"{_PAGE}ceiling", "FLOAT64 -> FLOAT64", "NUMERIC -> NUMERIC", safe=True)
def _ceiling(call: Call) -> Value:
    return _whole(call, "CEIL")


@special("FLOOR", f"{_PAGE}floor", "FLOAT64 -> FLOAT64", "NUMERIC -> NUMERIC", safe=True)
def _floor(call: Call) -> Value:
    return _whole(call, "FLOOR")


def _whole(call: Call, duck: str) -> Value:
    call.count(1)
    value = call.value(0)
    if value.type == NUMERIC:
        return Value(f"CAST({duck}({value.sql}) AS DECIMAL(38,9))", NUMERIC, aggregate=value.aggregate)
    return Value(f"{duck}({call.typed(0, FLOAT64)})", FLOAT64, aggregate=value.aggregate, bound=value.bound)


@special("DIV", f"{_PAGE}div", "INT64, INT64 -> INT64", safe=True)
def _div(call: Call) -> Value:
    call.count(_TWO)
    kind, (one, other) = _numbers(call)
    if kind == NUMERIC:
        raise refused("DIV of NUMERIC", call.node, "Use TRUNC(a / b).")
    if kind != INT64:
        raise invalid(f"DIV takes INT64, not {kind}", call.node)
    zero, wide = call.fail("division by zero"), f"CAST({one} AS HUGEINT) // NULLIF({other}, 0)"
    cast = "TRY_CAST" if call.safe else "CAST"
    return Value(f"(CASE WHEN {other} = 0 THEN {zero} ELSE {cast}({wide} AS BIGINT) END)", INT64)


@special("MOD", f"{_PAGE}mod", "INT64, INT64 -> INT64", "NUMERIC, NUMERIC -> NUMERIC", safe=True)
def _mod(call: Call) -> Value:
    call.count(_TWO)
    kind, (one, other) = _numbers(call)
    if kind not in (INT64, NUMERIC):
        raise invalid(f"MOD takes INT64 or NUMERIC, not {kind}", call.node)
    zero = call.fail("division by zero")
    if kind == INT64:
        return Value(
            f"(CASE WHEN {other} = 0 THEN {zero} WHEN {other} = -1 THEN {one} - {one} "
            f"ELSE {one} % NULLIF({other}, 0) END)",
            kind,
        )
    return Value(
        f"(CASE WHEN {other} = 0 THEN {zero} ELSE CAST({one} % NULLIF({other}, 0) AS DECIMAL(38,9)) END)", kind
    )


@special("SAFE_DIVIDE", f"{_PAGE}safe_divide", "FLOAT64, FLOAT64 -> FLOAT64", "NUMERIC, NUMERIC -> NUMERIC", safe=True)
def _safe_divide(call: Call) -> Value:
    call.count(_TWO)
    one, other = call.values()
    kind, _ = unified([one, other], "SAFE_DIVIDE", call.node)
    aggregate = one.aggregate or other.aggregate
    if kind == NUMERIC:
        return Value(numeric_arithmetic("/", one, other, "NULL"), NUMERIC, aggregate=aggregate)
    if not is_number(kind) and kind.kind != "NULL":
        raise invalid(f"SAFE_DIVIDE takes numbers, not {kind}", call.node)
    top, bottom = as_type(one, FLOAT64), as_type(other, FLOAT64)
    sql = f"(CASE WHEN {bottom} <> 0 THEN {top} / {bottom} END)"
    if one.type == INT64 and other.type == INT64:
        return Value(sql, FLOAT64, aggregate=aggregate, bound=2.0**63)
    bound = one.bound if other.type == INT64 else float("inf")
    if bound < 1e300:  # noqa: PLR2004 - far from the largest FLOAT64
        return Value(sql, FLOAT64, aggregate=aggregate, bound=bound)
    finite = f"isfinite({top}) AND isfinite({bottom}) AND NOT isfinite({top} / {bottom})"
    return Value(
        f"(CASE WHEN {bottom} <> 0 AND NOT ({finite}) THEN {top} / {bottom} END)", FLOAT64, aggregate=aggregate
    )


@special("IEEE_DIVIDE", f"{_PAGE}ieee_divide", "FLOAT64, FLOAT64 -> FLOAT64", safe=True)
def _ieee_divide(call: Call) -> Value:
    call.count(_TWO)
    one, other = call.typed(0, FLOAT64), call.typed(1, FLOAT64)
    return Value(f"({one} / {other})", FLOAT64)


def _safe_int(name: str, sign: str) -> object:
    @special(name, f"{_PAGE}{name.lower()}", "INT64, INT64 -> INT64", safe=True)
    def build(call: Call) -> Value:
        call.count(_TWO)
        values = call.values()
        kind = common(values)
        if kind != INT64:
            raise refused(f"{name} of {kind or values[0].type}", call.node, "Use it on INT64.")
        one, other = (as_type(value, INT64) for value in values)
        return Value(f"TRY_CAST(CAST({one} AS HUGEINT) {sign} CAST({other} AS HUGEINT) AS BIGINT)", INT64)

    return build


@special("ABS", f"{_PAGE}abs", "number -> number")
def _abs(call: Call) -> Value:
    call.count(1)
    kind, (sql,) = _numbers(call)
    return Value(f"ABS({sql})", kind if kind.kind != "NULL" else INT64)


@special("SIGN", f"{_PAGE}sign", "number -> number", safe=True)
def _sign(call: Call) -> Value:
    call.count(1)
    kind, (sql,) = _numbers(call)
    kind = kind if kind.kind != "NULL" else INT64
    if kind == FLOAT64:
        return Value(f"(CASE WHEN isnan({sql}) THEN {sql} ELSE CAST(SIGN({sql}) AS DOUBLE) END)", FLOAT64)
    return Value(as_type(Value(f"CAST(SIGN({sql}) AS BIGINT)", INT64), kind), kind)


def _extreme(name: str) -> object:
    @special(name, f"{_PAGE}{name.lower()}", "value... -> value", safe=True)
    def build(call: Call) -> Value:
        values = call.values()
        if not values:
            call.count(1)
        kind, sqls = unified(values, name, call.node)
        if kind.kind in ("JSON", "ARRAY", "STRUCT", "INTERVAL"):
            raise refused(f"{name} of {kind.kind}", call.node)
        numbers = [sql for value, sql in zip(values, sqls, strict=True) if is_number_literal(value)]
        unsure = [sql for sql in sqls if sql not in numbers] or sqls
        missing = " OR ".join(f"{sql} IS NULL" for sql in unsure)
        nan = (
            f" WHEN {' OR '.join(f'isnan({sql})' for sql in unsure)} THEN CAST('nan' AS DOUBLE)"
            if kind == FLOAT64
            else ""
        )
        sql = f"(CASE WHEN {missing} THEN NULL{nan} ELSE {name}({', '.join(sqls)}) END)"
        return Value(sql, kind, aggregate=any(value.aggregate for value in values))

    return build


@special("POW", f"{_PAGE}pow", "FLOAT64, FLOAT64 -> FLOAT64", safe=True)
def _pow(call: Call) -> Value:
    return _raised(call)


@special("POWER", f"{_PAGE}power", "FLOAT64, FLOAT64 -> FLOAT64", safe=True)
def _power(call: Call) -> Value:
    return _raised(call)


def _raised(call: Call) -> Value:
    call.count(_TWO)
    values = call.values()
    if NUMERIC in (common(values), values[0].type, values[1].type):
        raise refused(f"{call.name} of NUMERIC", call.node, "CAST to FLOAT64, and the result to NUMERIC.")
    one, other = call.typed(0, FLOAT64), call.typed(1, FLOAT64)
    bad = f"{one} = 0 AND {other} < 0"
    raised = f"POW({one}, {other})"
    finite = f"isfinite({one}) AND isfinite({other}) AND NOT isfinite({raised})"
    sql = f"(CASE WHEN ({bad}) OR ({finite}) THEN {call.fail('POW has no FLOAT64 result')} ELSE {raised} END)"
    return Value(sql, FLOAT64, aggregate=any(value.aggregate for value in values))


def _float(name: str, formula: str, wrong: str = "") -> object:
    """A function of a FLOAT64; `wrong` says of which numbers there is no result."""
    guarded = f"(CASE WHEN {wrong} THEN {{!{name} has no result}} ELSE {formula} END)" if wrong else _result(formula)
    plain = fn(name, f"{_PAGE}{name.lower()}", ("FLOAT64 -> FLOAT64", guarded))

    @special(name, f"{_PAGE}{name.lower()}", "FLOAT64 -> FLOAT64", safe=True)
    def build(call: Call) -> Value:
        call.count(1)
        if call.value(0).type == NUMERIC:
            raise refused(f"{name} of NUMERIC", call.node, "CAST to FLOAT64, and the result to NUMERIC.")
        return plain.build(call)

    return build


@special("LOG", f"{_PAGE}log", "FLOAT64[, FLOAT64] -> FLOAT64", safe=True)
def _log(call: Call) -> Value:
    count = call.count(1, _TWO)
    if any(value.type == NUMERIC for value in call.values()):
        raise refused("LOG of NUMERIC", call.node, "CAST to FLOAT64, and the result to NUMERIC.")
    number = call.typed(0, FLOAT64)
    fail = call.fail("LOG has no result")
    if count == 1:
        return Value(f"(CASE WHEN {number} <= 0 THEN {fail} ELSE LN({number}) END)", FLOAT64)
    base = call.typed(1, FLOAT64)
    wrong = f"{number} <= 0 OR {base} <= 0 OR {base} = 1"
    known = f"WHEN {base} = 2 THEN LOG2({number}) WHEN {base} = 10 THEN LOG10({number})"
    quotient = f"CASE {known} ELSE LN({number}) / LN({base}) END"
    return Value(f"(CASE WHEN {wrong} THEN {fail} ELSE {quotient} END)", FLOAT64)


def _test(name: str, duck: str) -> object:
    return fn(name, f"{_PAGE}{name.lower()}", ("FLOAT64 -> BOOL", f"{duck}({{0}})"))


@special("SAFE_NEGATE", f"{_PAGE}safe_negate", "INT64 -> INT64", safe=True)
def _safe_negate(call: Call) -> Value:
    call.count(1)
    return Value(f"TRY_CAST(-CAST({call.typed(0, INT64)} AS HUGEINT) AS BIGINT)", INT64)


FUNCTIONS: Final = (
    _round, _trunc, _ceil, _ceiling, _floor, _div, _mod, _safe_divide, _ieee_divide, _abs, _sign, _pow, _power, _log,
    _safe_negate,
    _safe_int("SAFE_ADD", "+"),
    _safe_int("SAFE_SUBTRACT", "-"),
    _safe_int("SAFE_MULTIPLY", "*"),
    _extreme("GREATEST"),
    _extreme("LEAST"),
    _float("SQRT", "SQRT({0})", "{0} < 0"),
    _float("LN", "LN({0})", "{0} <= 0"),
    _float("LOG10", "LOG10({0})", "{0} <= 0"),
    _float("EXP", "EXP({0})"),
    _test("IS_NAN", "isnan"),
    _test("IS_INF", "isinf"),
)  # fmt: skip
