"""Where DuckDB answers differently from BigQuery and sqlglot does not make up for it.

Each rule rewrites one kind of node of a parsed BigQuery query; what BigQuery answers is written in
`tests/conformance/bigquery_answers.py`. This module imports sqlglot: import it inside functions.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import sqlglot  # noqa: TID253 - imported by dialect.py inside the functions that translate
from sqlglot import exp  # noqa: TID253 - as above

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[exp.Expr], exp.Expr | None]

_WHOLE_NUMBER: Final = r"\s*[+-]?(\d+|0[xX][0-9a-fA-F]+)\s*"


def as_duckdb(tree: exp.Expr) -> exp.Expr:
    """Rewrite the tree so that DuckDB gives BigQuery's answers; inner nodes first."""
    for node in reversed(list(tree.walk())):
        rule = RULES.get(type(node))
        if rule is None or (new := rule(node)) is None:
            continue
        if node is tree:
            tree = new
        else:
            node.replace(new)
    return tree


def _build(template: str, **parts: exp.Expr) -> exp.Expr:
    tree = _parsed(template).copy()
    for hole in list(tree.find_all(exp.Placeholder)):
        part = parts[hole.name].copy()
        hole.replace(part if isinstance(part, (exp.Column, exp.Literal, exp.Func)) else exp.paren(part, copy=False))
    return tree


@lru_cache(maxsize=64)
def _parsed(template: str) -> exp.Expr:
    return sqlglot.parse_one(template, read="duckdb")


def _literal(node: exp.Expr) -> exp.Expr | None:
    """1.5 is FLOAT64, not a decimal; 1 is INT64, which matters where arithmetic could leave 32 bits."""
    if node.is_int:
        return exp.cast(node.copy(), "BIGINT") if isinstance(node.parent, (exp.Alias, exp.Array, exp.Mul)) else None
    if node.is_string or "." not in node.this or "e" in node.this.lower():
        return None
    return exp.Literal.number(f"{node.this}e0")


def _divide(node: exp.Expr) -> exp.Expr | None:
    """Dividing by zero is an error, not infinity."""
    divisor = node.expression
    plain = divisor.unnest()
    if isinstance(plain, exp.Nullif) or (isinstance(plain, exp.Literal) and float(plain.this) != 0):
        return None
    guarded = _build("CASE WHEN :b = 0 THEN ERROR('division by zero') ELSE :b END", b=divisor)
    return exp.Div(this=node.this, expression=guarded)


def _ieee_divide(node: exp.Expr) -> exp.Expr | None:
    """IEEE_DIVIDE(a, b) is the division that gives infinity and NaN."""
    if node.name.upper() != "IEEE_DIVIDE" or len(node.expressions) != 2:  # noqa: PLR2004 - a and b
        return None
    dividend, divisor = node.expressions
    return _build("CAST(:a AS DOUBLE) / :b", a=dividend, b=divisor)


def _safe_arithmetic(node: exp.Expr) -> exp.Expr | None:
    """SAFE_ADD and its like give NULL where the plain operator overflows."""
    return _build(_OPERATORS[type(node)], a=node.this, b=node.expression)


_OPERATORS: Final[dict[type[exp.Expr], str]] = {
    exp.SafeAdd: "TRY(:a + :b)",
    exp.SafeSubtract: "TRY(:a - :b)",
    exp.SafeMultiply: "TRY(:a * :b)",
}


def _safe_function(node: exp.Expr) -> exp.Expr | None:
    """SAFE.f(…) gives NULL where f fails."""
    return exp.Anonymous(this="TRY", expressions=[node.this.copy()])


def _cast(node: exp.Expr) -> exp.Expr | None:
    """A cast to INT64 rounds half away from zero and refuses '1.5'; a cast of 1.0 to STRING is '1'."""
    value, target = node.this, node.args["to"]
    safe = isinstance(node, exp.TryCast)
    if isinstance(value, exp.Literal) and value.is_int:
        return None
    if target.is_type("bigint"):
        if isinstance(value, (exp.Round, exp.Ceil, exp.Floor)) and not safe:
            return _build(_INT_OF_FLOAT, x=value)
        template = _INT_SAFE if safe else _INT
    elif target.is_type("text", "varchar") and not isinstance(value, exp.Literal):
        template = _STRING
    else:
        return None
    return _build(template, x=value)


_INT_OF_FLOAT: Final = "CAST(ROUND(:x) AS BIGINT)"
"""Of what is a DOUBLE on its face. The general form repeats its argument eight times, and does so at each nesting."""
_INT: Final = f"""
CASE typeof(:x)
WHEN 'DOUBLE' THEN CAST(ROUND(CAST(:x AS DOUBLE)) AS BIGINT)
WHEN 'VARCHAR' THEN CASE WHEN :x IS NULL OR regexp_full_match(CAST(:x AS TEXT), '{_WHOLE_NUMBER}')
                    THEN CAST(:x AS BIGINT) ELSE ERROR('Bad int64 value: ' || CAST(:x AS TEXT)) END
ELSE CAST(:x AS BIGINT) END"""
_INT_SAFE: Final = f"""
CASE typeof(:x)
WHEN 'DOUBLE' THEN TRY_CAST(ROUND(CAST(:x AS DOUBLE)) AS BIGINT)
WHEN 'VARCHAR' THEN CASE WHEN regexp_full_match(CAST(:x AS TEXT), '{_WHOLE_NUMBER}') THEN TRY_CAST(:x AS BIGINT) END
ELSE TRY_CAST(:x AS BIGINT) END"""
_STRING: Final = r"""
CASE typeof(:x) WHEN 'DOUBLE' THEN regexp_replace(CAST(:x AS TEXT), '\.0$', '') ELSE CAST(:x AS TEXT) END"""


def _stay_date(node: exp.Expr) -> exp.Expr | None:
    """DATE_ADD, DATE_SUB and DATE_TRUNC give a DATE; for a TIMESTAMP there are TIMESTAMP_ADD and so on."""
    return exp.cast(node.copy(), "DATE", copy=False)


def _extract(node: exp.Expr) -> exp.Expr | None:
    """Weeks begin on Sunday, which is day 1; DATE is a part."""
    part = node.name.upper()
    template = _PARTS.get(part)
    return None if template is None else _build(template, x=node.expression)


_PARTS: Final = {
    "DAYOFWEEK": "EXTRACT(DAYOFWEEK FROM :x) + 1",
    "WEEK": "CAST(strftime(:x, '%U') AS BIGINT)",
    "ISOWEEK": "EXTRACT(WEEK FROM :x)",
    "DATE": "CAST(:x AS DATE)",
}


def _elapsed(node: exp.Expr) -> exp.Expr | None:
    """TIMESTAMP_DIFF counts whole units that have passed, not boundaries that were crossed."""
    unit = exp.Literal.string(node.args["unit"].name.lower())
    return exp.Anonymous(this="date_sub", expressions=[unit, node.expression.copy(), node.this.copy()])


def _array_agg(node: exp.Expr) -> exp.Expr | None:
    """ARRAY_AGG(… LIMIT n), which DuckDB does not know: the first n of all."""
    outer = node
    if isinstance(node, exp.IgnoreNulls):
        node = node.this
    elif isinstance(node.parent, exp.IgnoreNulls):
        return None
    limit = node.this
    if not isinstance(node, exp.ArrayAgg) or not isinstance(limit, exp.Limit):
        return None
    first = exp.Slice(this=exp.Literal.number(1), expression=limit.expression.copy())
    limit.replace(limit.this)
    return exp.Bracket(this=exp.paren(outer.copy(), copy=False), expressions=[first], offset=1)


def _element(node: exp.Expr) -> exp.Expr | None:
    """An index that is out of bounds is an error, unless it is a SAFE_ one."""
    if node.args.get("safe") is not False or len(node.expressions) != 1 or node.args.get("offset") is None:
        return None
    first = node.args["offset"]
    position = exp.Add(this=exp.paren(node.expressions[0].copy()), expression=exp.Literal.number(1 - first))
    return _build(_ELEMENT, a=node.this, i=position)


_ELEMENT: Final = """
CASE WHEN :a IS NULL THEN NULL WHEN :i BETWEEN 1 AND LEN(:a) THEN LIST_EXTRACT(:a, :i)
ELSE ERROR('Array index is out of bounds') END"""


def _unnest(node: exp.Expr) -> exp.Expr | None:
    """UNNEST(…) WITH OFFSET counts from 0."""
    offset, alias = node.args.get("offset"), node.args.get("alias")
    if not offset or len(node.expressions) != 1:
        return None
    names = [column.name for column in alias.columns] if alias else []
    position = offset.name if isinstance(offset, exp.Identifier) else "offset"
    element = next((name for name in names if name != position), None) or (alias.name if alias else "") or "element"
    rows = _build("SELECT UNNEST(:a) AS e, UNNEST(RANGE(LEN(:a))) AS o", a=node.expressions[0])
    for select, name in zip(rows.expressions, (element, position), strict=True):
        select.set("alias", exp.to_identifier(name, quoted=True))
    return exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(f"_{element}")))


def _format(node: exp.Expr) -> exp.Expr | None:
    """FORMAT takes C's directives."""
    return exp.Anonymous(this="printf", expressions=[node.this.copy(), *(part.copy() for part in node.expressions)])


def _in_float(node: exp.Expr) -> exp.Expr | None:
    """ROUND, CEIL and FLOOR of an INT64 are FLOAT64."""
    node.set("this", exp.cast(node.this, "DOUBLE"))
    return None


RULES: Final[dict[type[exp.Expr], Rule]] = {
    exp.Literal: _literal,
    exp.Div: _divide,
    exp.Anonymous: _ieee_divide,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.DateAdd: _stay_date,
    exp.DateSub: _stay_date,
    exp.DateTrunc: _stay_date,
    exp.Extract: _extract,
    exp.TimestampDiff: _elapsed,
    exp.ArrayAgg: _array_agg,
    exp.IgnoreNulls: _array_agg,
    exp.Bracket: _element,
    exp.SafeFunc: _safe_function,
    **dict.fromkeys(_OPERATORS, _safe_arithmetic),
    exp.Unnest: _unnest,
    exp.Format: _format,
    exp.Round: _in_float,
    exp.Ceil: _in_float,
    exp.Floor: _in_float,
}
