"""Expressions: literals, names, operators, subqueries; functions are looked up in the list by their names."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.casts import cast
from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.functions import call, extract
from nbactl.adapters.duckdb.sql.literals import string_text
from nbactl.adapters.duckdb.sql.operators import arithmetic, boolean, compared, finished, negated, unified
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.scope import Scope, json_key, one_field
from nbactl.adapters.duckdb.sql.types import (
    BOOL,
    BYTES,
    DATE,
    FLOAT64,
    INT64,
    JSON,
    NULL,
    SCALARS,
    STRING,
    Type,
    Value,
    array,
    coerces,
    duckdb_name,
    text,
)
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.duckdb.sql.context import Context

    Rule = Callable[[Context, Any, Scope], Value]

_TYPES: Final = {
    "BIGINT": "INT64", "INT": "INT64", "DOUBLE": "FLOAT64", "TEXT": "STRING", "BOOLEAN": "BOOL", "DATE": "DATE",
    "TIMESTAMPTZ": "TIMESTAMP", "TIMESTAMP": "DATETIME", "DATETIME": "DATETIME", "TIME": "TIME", "DECIMAL": "NUMERIC",
    "BINARY": "BYTES", "VARBINARY": "BYTES", "JSON": "JSON", "INTERVAL": "INTERVAL",
}  # fmt: skip


_LONGEST: Final = 1_000_000
_GROWTH: Final = 50
"""The longest expression in characters, and per character of the query: some operands are written several times."""


def only(node: exp.Expr, *known: str) -> None:
    """Raise DataError if the node has a part that is not one of `known`: it would be lost without a word."""
    for name, value in node.args.items():
        if name not in known and value not in (None, False, [], ()):
            raise refused(f"{name.strip('_').upper().replace('_', ' ')} of {type(node).__name__.upper()}", node)


def compile_expression(ctx: Context, node: exp.Expr, scope: Scope) -> Value:
    """Compile an expression. Raises DataError for what is not on the list, NotFoundError for an unknown name."""
    return finished(_unfinished(ctx, node, scope))


def _unfinished(ctx: Context, node: exp.Expr, scope: Scope) -> Value:
    if isinstance(node, (exp.Anonymous, exp.GroupConcat, exp.Window, exp.SafeFunc)):
        rule: Rule | None = _call
    else:
        rule = RULES.get(type(node))
    if rule is None:
        qualifier = "NET." if isinstance(node, exp.NetFunc) else ""
        name = str(node.this.this) if qualifier else type(node).__name__
        raise refused(f"{qualifier}{name}".upper(), node)
    value = rule(ctx, node, scope)
    if len(value.sql) + sum(map(len, value.leaves)) > _LONGEST + _GROWTH * len(ctx.text):
        raise refused("an expression that is nested this deeply", node, "Compute its parts in a WITH query first.")
    return value


def _call(ctx: Context, node: exp.Expr, scope: Scope) -> Value:
    return call(ctx, node, scope, compile_expression)


def type_of(node: exp.DataType) -> Type:
    """Return a type as it is written in a CAST. Raises DataError for one that is not on the list."""
    name = node.this.name if not isinstance(node.this, str) else node.this
    if name == "ARRAY" and len(node.expressions) == 1:
        return array(type_of(node.expressions[0]))
    if name in ("BIGDECIMAL", "BIGNUMERIC"):
        raise refused("BIGNUMERIC", node, "Use NUMERIC: 29 digits before the point and 9 after it.")
    if node.expressions or name not in _TYPES:
        raise refused(f"the type {node.sql('bigquery')}", node)
    return SCALARS[_TYPES[name]]


def _literal(ctx: Context, node: exp.Literal, _: Scope) -> Value:
    if node.is_string:
        written = string_text(ctx.text, node)
        return Value(text(written), STRING, written)
    if node.is_int:
        number = int(node.this)
        if number >= 2**63:
            raise invalid(f"{node.this} is out of range for INT64", node)
        return Value(f"CAST({number} AS BIGINT)", INT64)
    number_text = node.this.lower()
    if math.isinf(float(number_text)):
        raise invalid(f"{node.this} is out of range for FLOAT64", node)
    sql = number_text if "e" in number_text else f"{number_text}e0"
    return Value(sql, FLOAT64, node.this, bound=abs(float(number_text)))


def _raw(_: Context, node: exp.RawString, __: Scope) -> Value:
    return Value(text(node.this), STRING, node.this)


def _hex(_: Context, node: exp.HexString, __: Scope) -> Value:
    return Value(f"CAST({int(node.this, 16)} AS BIGINT)", INT64)


def _column(_: Context, node: exp.Column, scope: Scope) -> Value:
    path = [part.name for part in node.parts]
    return scope.resolve(path, node)


def _dot(ctx: Context, node: exp.Dot, scope: Scope) -> Value:
    if not isinstance(node.expression, exp.Identifier):
        name = node.expression.name or type(node.expression).__name__.upper()
        raise refused(f"{node.this.sql('bigquery')}.{name}", node)
    return one_field(compile_expression(ctx, node.this, scope), node.expression.name, node)


def _parameter(ctx: Context, node: exp.Parameter, _: Scope) -> Value:
    name = node.name
    if name not in ctx.parameters:
        raise DataError(
            f"no value for query parameter @{name}",
            cause=f"given are: {', '.join(sorted(ctx.parameters)) or 'none'}",
            details={"parameters": [name]},
        )
    kind = ctx.parameters[name]
    if kind == NULL:
        return Value("NULL", NULL)
    ctx.used_parameters.add(name)
    return Value(f"CAST(${name} AS {duckdb_name(kind)})", kind, parameter=True)


def _arithmetic(ctx: Context, node: exp.Binary, scope: Scope) -> Value:
    only(node, "this", "expression", "typed", "safe")
    sign = _SIGNS[type(node)]
    left, right = _unfinished(ctx, node.left, scope), _unfinished(ctx, node.right, scope)
    if sign in "+-" and left.type == DATE and right.type == INT64:
        return Value(in_calendar(f"({left.sql} {sign} CAST({right.sql} AS INTEGER))"), DATE)
    if sign == "+" and left.type == INT64 and right.type == DATE:
        return Value(in_calendar(f"({right.sql} + CAST({left.sql} AS INTEGER))"), DATE)
    if "INTERVAL" in (left.type.kind, right.type.kind):
        raise refused(f"{sign} of an INTERVAL", node, "Use DATE_ADD, DATETIME_ADD or TIMESTAMP_ADD.")
    if left.type == right.type == DATE:
        raise refused("DATE - DATE", node, "Use DATE_DIFF(a, b, DAY).")
    return arithmetic(sign, left, right, node)


def in_calendar(sql: str) -> str:
    """Return a DATE; beyond the years 1 to 9999 there is none in BigQuery."""
    inside = f"({sql} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31')"
    return f"(CASE WHEN NOT {inside} THEN ERROR('DATE out of range') ELSE {sql} END)"


_SIGNS: Final = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


def _neg(ctx: Context, node: exp.Neg, scope: Scope) -> Value:
    if isinstance(node.this, exp.Literal) and node.this.this == str(2**63):
        return Value(f"CAST(-{2**63} AS BIGINT)", INT64)
    return negated(_unfinished(ctx, node.this, scope), node)


def _paren(ctx: Context, node: exp.Paren, scope: Scope) -> Value:
    only(node, "this")
    return _unfinished(ctx, node.this, scope)


def _comparison(ctx: Context, node: exp.Binary, scope: Scope) -> Value:
    only(node, "this", "expression")
    left, right = compile_expression(ctx, node.left, scope), compile_expression(ctx, node.right, scope)
    return compared(_COMPARISONS[type(node)], left, right, node)


_COMPARISONS: Final = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


def _distinct_from(ctx: Context, node: exp.Binary, scope: Scope) -> Value:
    values = [compile_expression(ctx, part, scope) for part in (node.left, node.right)]
    kind, sides = unified(values, "IS DISTINCT FROM", node)
    if kind.kind in ("JSON", "ARRAY", "STRUCT"):
        raise refused(f"IS DISTINCT FROM of {kind.kind}", node)
    word = "IS NOT DISTINCT FROM" if isinstance(node, exp.NullSafeEQ) else "IS DISTINCT FROM"
    return Value(f"({sides[0]} {word} {sides[1]})", BOOL, aggregate=any(value.aggregate for value in values))


def _connective(ctx: Context, node: exp.Binary, scope: Scope) -> Value:
    word = "AND" if isinstance(node, exp.And) else "OR"
    sides = [compile_expression(ctx, part, scope) for part in (node.left, node.right)]
    listed = f" {word} ".join(boolean(side, word, node) for side in sides)
    return Value(f"({listed})", BOOL, aggregate=any(side.aggregate for side in sides))


def _not(ctx: Context, node: exp.Not, scope: Scope) -> Value:
    value = compile_expression(ctx, node.this, scope)
    return Value(f"(NOT {boolean(value, 'NOT', node)})", BOOL, aggregate=value.aggregate)


def _is(ctx: Context, node: exp.Is, scope: Scope) -> Value:
    only(node, "this", "expression")
    value, right = compile_expression(ctx, node.this, scope), node.expression
    if isinstance(right, exp.Null):
        return Value(f"({value.sql} IS NULL)", BOOL, aggregate=value.aggregate)
    if isinstance(right, exp.Boolean):
        truth = "TRUE" if right.this else "FALSE"
        return Value(f"({boolean(value, 'IS', node)} IS {truth})", BOOL, aggregate=value.aggregate)
    raise refused(f"IS {right.sql('bigquery')}", node)


def _between(ctx: Context, node: exp.Between, scope: Scope) -> Value:
    only(node, "this", "low", "high")
    value, low, high = (compile_expression(ctx, node.args[name], scope) for name in ("this", "low", "high"))
    bounds = compared(">=", value, low, node), compared("<=", value, high, node)
    return Value(f"({bounds[0].sql} AND {bounds[1].sql})", BOOL, aggregate=bounds[0].aggregate)


def _in(ctx: Context, node: exp.In, scope: Scope) -> Value:
    only(node, "this", "expressions", "query", "unnest")
    value = compile_expression(ctx, node.this, scope)
    unnest = node.args.get("unnest")
    if node.expressions:
        equal = [compared("=", value, compile_expression(ctx, part, scope), node) for part in node.expressions]
        if all(one.sql.startswith(f"({value.sql} = ") for one in equal) and "isnan" not in "".join(
            e.sql for e in equal
        ):
            listed = ", ".join(one.sql[len(value.sql) + 4 : -1] for one in equal)
            return Value(f"({value.sql} IN ({listed}))", BOOL, aggregate=value.aggregate)
        return Value(f"({' OR '.join(one.sql for one in equal)})", BOOL, aggregate=value.aggregate)
    if unnest is not None:
        only(unnest, "expressions", "offset")
        items = compile_expression(ctx, unnest.expressions[0], scope)
        if items.type.element is None:
            raise invalid(f"IN UNNEST needs an ARRAY, not {items.type}", node)
        element = items.type.element if items.type.element != NULL else value.type
        if element == FLOAT64 or not coerces(value, element) or element.kind in ("JSON", "ARRAY", "STRUCT"):
            raise refused(f"{value.type} IN UNNEST of {element}", node, "CAST both to one type.")
        rows = f"SELECT UNNEST({as_type(items, array(element))}) AS e"
        return Value(f"({as_type(value, element, node)} IN ({rows}))", BOOL, aggregate=value.aggregate)
    inner = ctx.query(ctx, node.args["query"], scope)
    if len(inner.columns) != 1:
        raise invalid("the subquery of IN has more than one column", node)
    other = Value("e", inner.only)
    if FLOAT64 in (value.type, other.type) or compared("=", value, other, node).sql != f"({value.sql} = e)":
        raise refused(f"{value.type} IN a subquery of {other.type}", node, "CAST both to one type.")
    return Value(f"({value.sql} IN ({inner.sql}))", BOOL, aggregate=value.aggregate)


def _like(ctx: Context, node: exp.Like, scope: Scope) -> Value:
    only(node, "this", "expression", "negate")
    values = [compile_expression(ctx, part, scope) for part in (node.this, node.expression)]
    if any(value.type not in (STRING, NULL) for value in values):
        raise refused(f"LIKE of {values[0].type} and {values[1].type}", node, "CAST both to STRING.")
    value, pattern = (as_type(one, STRING) for one in values)
    written = values[1].literal
    if written is not None and re.search(r"(?<!\\)(\\\\)*\\$", written):
        raise invalid("the pattern of LIKE ends with a backslash", node)
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Value(f"({value} {word} {pattern} ESCAPE '\\')", BOOL, aggregate=any(one.aggregate for one in values))


def _case(ctx: Context, node: exp.Case, scope: Scope) -> Value:
    only(node, "this", "ifs", "default")
    subject = compile_expression(ctx, node.this, scope) if node.this else None
    conditions, results = [], []
    for branch in node.args["ifs"]:
        test = compile_expression(ctx, branch.this, scope)
        conditions.append(compared("=", subject, test, branch) if subject else test)
        results.append(compile_expression(ctx, branch.args["true"], scope))
    default = node.args.get("default")
    results.append(compile_expression(ctx, default, scope) if default else Value("NULL", NULL))
    kind, values = unified(results, "CASE", node)
    tests = [boolean(condition, "WHEN", node) for condition in conditions]
    branches = " ".join(f"WHEN {test} THEN {value}" for test, value in zip(tests, values, strict=False))
    aggregate = any(value.aggregate for value in (*conditions, *results))
    return Value(f"(CASE {branches} ELSE {values[-1]} END)", kind, aggregate=aggregate)


def _if(ctx: Context, node: exp.If, scope: Scope) -> Value:
    if node.args.get("false") is None:
        raise invalid("IF takes three arguments", node)
    condition = compile_expression(ctx, node.this, scope)
    results = [compile_expression(ctx, node.args[name], scope) for name in ("true", "false")]
    kind, values = unified(results, "IF", node)
    sql = f"(CASE WHEN {boolean(condition, 'IF', node)} THEN {values[0]} ELSE {values[1]} END)"
    return Value(sql, kind, aggregate=any(value.aggregate for value in (condition, *results)))


def _concat(ctx: Context, node: exp.DPipe, scope: Scope) -> Value:
    values = [compile_expression(ctx, part, scope) for part in (node.left, node.right)]
    aggregate = any(value.aggregate for value in values)
    if all(value.type.element is not None for value in values):
        kind, sides = unified(values, "||", node)
    elif all(value.type in (STRING, NULL) for value in values):
        kind, sides = STRING, [as_type(value, STRING) for value in values]
    else:
        raise invalid(
            f"operator || does not take {values[0].type} and {values[1].type}", node, instead="CAST to STRING."
        )
    return Value(f"({sides[0]} || {sides[1]})", kind, aggregate=aggregate)


def _cast(ctx: Context, node: exp.Cast, scope: Scope) -> Value:
    only(node, "this", "to", "safe")
    kind = type_of(node.args["to"])
    value = compile_expression(ctx, node.this, scope)
    return cast(value, kind, node, safe=isinstance(node, exp.TryCast))


def _array(ctx: Context, node: exp.Array, scope: Scope) -> Value:
    only(node, "expressions", "value_constructor", "struct_name_inheritance", "bracket_notation")
    if len(node.expressions) == 1 and isinstance(node.expressions[0], (exp.Query, exp.Subquery)):
        query = ctx.query(ctx, node.expressions[0], scope)
        if len(query.columns) != 1:
            raise invalid("the subquery of ARRAY has more than one column", node, instead="Use SELECT AS STRUCT.")
        return Value(f"ARRAY({query.sql})", array(query.only))
    values = [compile_expression(ctx, part, scope) for part in node.expressions]
    if not values:
        return Value("CAST([] AS BIGINT[])", array(NULL))
    kind, items = unified(values, "this array", node)
    if kind.element is not None:
        raise invalid("an array cannot hold arrays", node)
    return Value(
        f"[{', '.join(items)}]", array(kind if kind != NULL else INT64), aggregate=any(v.aggregate for v in values)
    )


def _bracket(ctx: Context, node: exp.Bracket, scope: Scope) -> Value:
    only(node, "this", "expressions", "offset", "safe")
    if len(node.expressions) != 1:
        raise refused("a subscript of several parts", node)
    value = compile_expression(ctx, node.this, scope)
    index = compile_expression(ctx, node.expressions[0], scope)
    safe, base = bool(node.args.get("safe")), node.args.get("offset") or 0
    if value.type == JSON:
        return _json_element(value, index, node)
    if value.type.element is None:
        raise invalid(f"a {value.type} has no subscripts", node)
    if index.type not in (INT64, NULL):
        raise invalid(f"a subscript is an INT64, not {index.type}", node)
    position = f"({as_type(index, INT64)} + {1 - base})"
    inside = f"{position} BETWEEN 1 AND LEN({value.sql})"
    otherwise = (
        ""
        if safe
        else f" WHEN LEN({value.sql}) IS NOT NULL AND {position} IS NOT NULL THEN ERROR('array index is out of bounds')"
    )
    sql = f"(CASE WHEN {inside} THEN LIST_EXTRACT({value.sql}, {position}){otherwise} END)"
    return Value(sql, value.type.element, aggregate=value.aggregate or index.aggregate)


def _json_element(value: Value, index: Value, node: exp.Bracket) -> Value:
    if node.args.get("offset") is not None:
        raise invalid("a subscript of JSON has no OFFSET or ORDINAL", node)
    if index.type == STRING and index.literal is not None:
        return Value(f"json_extract({value.sql}, {text(json_key(index.literal))})", JSON, aggregate=value.aggregate)
    whole = node.expressions[0]
    if isinstance(whole, exp.Literal) and whole.is_int:
        return Value(f"json_extract({value.sql}, '$[{int(whole.this)}]')", JSON, aggregate=value.aggregate)
    raise refused("a subscript of JSON that is not a literal", node)


def _json_literal(ctx: Context, node: exp.ParseJSON, scope: Scope) -> Value:
    """JSON '…' binds closer than the fields and subscripts after it, which sqlglot reads as part of the text."""
    inner = node.this
    chain = []
    while isinstance(inner, (exp.Dot, exp.Bracket)):
        chain.append(inner)
        inner = inner.this
    if not isinstance(inner, (exp.Literal, exp.RawString)):
        raise refused("this JSON literal", node)
    written = node.this.copy() if not chain else inner
    value = json_value(ctx, written, scope, node)
    for step in reversed(chain):
        if isinstance(step, exp.Dot):
            value = one_field(value, step.expression.name, step)
        else:
            value = _json_element(value, compile_expression(ctx, step.expressions[0], scope), step)
    return value


def json_value(ctx: Context, node: exp.Expr, scope: Scope, at: exp.Expr) -> Value:
    """Return a JSON literal. Raises DataError for another text."""
    written = compile_expression(ctx, node, scope).literal or ""
    try:
        parsed = json.loads(written)
    except ValueError as error:
        raise invalid("this is not JSON", at, why=str(error)) from None
    compact = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False)
    return Value(f"CAST({text(compact)} AS JSON)", JSON)


def _bytes(_: Context, node: exp.ByteString, __: Scope) -> Value:
    if not re.fullmatch(r"[\x20-\x7e]*", node.this) or "\\" in node.this:
        raise refused("this BYTES literal", node, "Use FROM_HEX('…').")
    return Value(f"encode({text(node.this)})", BYTES)


def _subquery(ctx: Context, node: exp.Subquery, scope: Scope) -> Value:
    query = ctx.query(ctx, node, scope)
    if len(query.columns) != 1:
        raise invalid("a subquery in an expression has one column", node)
    return Value(f"({query.sql})", query.only)


def _exists(ctx: Context, node: exp.Exists, scope: Scope) -> Value:
    return Value(f"EXISTS ({ctx.query(ctx, node.this, scope).sql})", BOOL)


def _null(_: Context, __: exp.Null, ___: Scope) -> Value:
    return Value("NULL", NULL)


def _boolean(_: Context, node: exp.Boolean, __: Scope) -> Value:
    return Value("TRUE" if node.this else "FALSE", BOOL)


def _extract(ctx: Context, node: exp.Extract, scope: Scope) -> Value:
    return extract(ctx, node, scope, compile_expression)


_BARE: Final = {
    exp.CurrentDate: "CURRENT_DATE", exp.CurrentTimestamp: "CURRENT_TIMESTAMP", exp.CurrentDatetime: "CURRENT_DATETIME",
}  # fmt: skip


def _bare(ctx: Context, node: exp.Func, scope: Scope) -> Value:
    named = exp.Anonymous(this=_BARE[type(node)], expressions=[node.this] if node.this else [])
    return call(ctx, named, scope, compile_expression)


def _interval(_: Context, node: exp.Interval, __: Scope) -> Value:
    raise refused("INTERVAL", node, "Use it in DATE_ADD, DATETIME_ADD, TIMESTAMP_ADD and their like.")


RULES: Final[dict[type[exp.Expr], Rule]] = {
    exp.Literal: _literal, exp.RawString: _raw, exp.HexString: _hex, exp.ByteString: _bytes, exp.Null: _null,
    exp.Boolean: _boolean, exp.Column: _column, exp.Dot: _dot, exp.Parameter: _parameter, exp.Paren: _paren,
    exp.Neg: _neg, **dict.fromkeys(_SIGNS, _arithmetic), **dict.fromkeys(_COMPARISONS, _comparison),
    exp.NullSafeEQ: _distinct_from, exp.NullSafeNEQ: _distinct_from, exp.And: _connective, exp.Or: _connective,
    exp.Not: _not, exp.Is: _is, exp.Between: _between, exp.In: _in, exp.Like: _like, exp.Case: _case, exp.If: _if,
    exp.DPipe: _concat, exp.Cast: _cast, exp.TryCast: _cast, exp.Array: _array, exp.Bracket: _bracket,
    exp.ParseJSON: _json_literal, exp.Subquery: _subquery, exp.Exists: _exists, exp.Extract: _extract,
    exp.Interval: _interval, **dict.fromkeys(_BARE, _bare),
}  # fmt: skip
