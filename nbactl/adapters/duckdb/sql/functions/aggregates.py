"""Aggregate and window functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.operators import boolean, rounded_quotient, unscaled
from nbactl.adapters.duckdb.sql.ordering import order_keys
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import BOOL, FLOAT64, INT64, NULL, NUMERIC, STRING, Value, array, is_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.duckdb.sql.functions.table import Call

_PAGE: Final = "aggregate_functions#"
_NUMBERING: Final = "numbering_functions#"
_NAVIGATION: Final = "navigation_functions#"
_UNORDERED: Final = frozenset({"JSON", "ARRAY", "STRUCT", "INTERVAL"})


@dataclass(slots=True)
class Group:
    """A call of an aggregate, its modifiers, and the window that it is over (text beginning with OVER)."""

    call: Call
    distinct: bool = False
    ignore_nulls: bool = False
    respect_nulls: bool = False
    order: exp.Expr | None = None
    limit: int | None = None
    having: tuple[exp.Expr, bool] | None = None
    over: str = ""
    values: list[Value] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.call.name

    def apply(self, duck: str, *arguments: str, where: str = "") -> str:
        """Return DuckDB's aggregate over arguments, with DISTINCT, a filter and the window."""
        word = "DISTINCT " if self.distinct else ""
        condition = f" FILTER (WHERE {where})" if where else ""
        return f"{duck}({word}{', '.join(arguments)}){condition}{self.over}"

    def only(self, *modifiers: str, count: int | tuple[int, ...] = 1) -> None:
        """Raise DataError for a modifier that the function does not take, or another number of arguments."""
        for name in ("distinct", "ignore_nulls", "respect_nulls", "order", "limit", "having"):
            if getattr(self, name) and name not in modifiers:
                raise refused(f"{name.upper().replace('_', ' ')} in {self.name}", self.call.node)
        allowed = (count,) if isinstance(count, int) else count
        if len(self.values) not in allowed:
            raise invalid(
                f"{self.name} takes {' or '.join(map(str, allowed))} arguments, not {len(self.values)}", self.call.node
            )

    def number(self) -> Value:
        """Return the only argument, a number."""
        value = self.values[0]
        if not is_number(value.type) and value.type != NULL:
            raise invalid(f"{self.name} takes a number, not {value.type}", self.call.node)
        return value if value.type != NULL else Value("CAST(NULL AS BIGINT)", INT64)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate or window function of the list."""

    name: str
    section: str
    form: str
    build: Callable[[Group], Value]
    window_only: bool = False
    plain_only: bool = False
    framed: bool = True


def _count(group: Group) -> Value:
    group.only("distinct")
    value = group.values[0]
    if group.distinct and value.type.kind in _UNORDERED:
        raise refused(f"COUNT(DISTINCT {value.type.kind})", group.call.node)
    return Value(group.apply("COUNT", value.sql), INT64)


def _countif(group: Group) -> Value:
    group.only()
    return Value(
        group.apply("COUNT", f"CASE WHEN {boolean(group.values[0], 'COUNTIF', group.call.node)} THEN 1 END"), INT64
    )


def _sum(group: Group) -> Value:
    group.only("distinct")
    value = group.number()
    total = group.apply("SUM", value.sql)
    if value.type == INT64:
        return Value(f"CAST({total} AS BIGINT)", INT64)
    if value.type == NUMERIC:
        return Value(f"CAST({total} AS DECIMAL(38,9))", NUMERIC)
    return Value(_finite(total, group, value), FLOAT64)


def _finite(total: str, group: Group, value: Value) -> str:
    """A sum is infinite or NaN only because of a value that is."""
    plain = Group(group.call, over=group.over).apply("BOOL_AND", f"isfinite({value.sql})")
    return f"(CASE WHEN {plain} AND NOT isfinite({total}) THEN ERROR('FLOAT64 overflow') ELSE {total} END)"


def _avg(group: Group) -> Value:
    group.only("distinct")
    value = group.number()
    if value.type == NUMERIC:
        total, count = group.apply("SUM", value.sql), group.apply("COUNT", value.sql)
        return Value(rounded_quotient(unscaled(total), f"CAST(NULLIF({count}, 0) AS HUGEINT)"), NUMERIC)
    mean = group.apply("AVG", value.sql)
    return Value(
        mean if value.type == INT64 else _finite(mean, group, value),
        FLOAT64,
        bound=2.0**63 if value.type == INT64 else float("inf"),
    )


def _extreme(group: Group) -> Value:
    group.only("distinct")
    value = group.values[0]
    if value.type.kind in _UNORDERED:
        raise refused(f"{group.name} of {value.type.kind}", group.call.node)
    found = group.apply(group.name, value.sql)
    if value.type == FLOAT64 and group.name == "MIN":
        nan = Group(group.call, over=group.over).apply("BOOL_OR", f"isnan({value.sql})")
        found = f"(CASE WHEN {nan} THEN CAST('nan' AS DOUBLE) ELSE {found} END)"
    return Value(found, value.type if value.type != NULL else INT64)


def _logical(group: Group) -> Value:
    group.only()
    duck = "BOOL_AND" if group.name == "LOGICAL_AND" else "BOOL_OR"
    return Value(group.apply(duck, boolean(group.values[0], group.name, group.call.node)), BOOL)


def _spread(group: Group) -> Value:
    """Of whole numbers and NUMERIC computed exactly up to the last step, so that the order of rows does not matter."""
    group.only("distinct")
    value, population = group.number(), group.name.endswith("_POP")
    root = group.name.startswith("STDDEV")
    if value.type == FLOAT64:
        duck = {"STDDEV": "STDDEV_SAMP", "VARIANCE": "VAR_SAMP"}.get(group.name, group.name)
        return Value(_finite(group.apply(duck, value.sql), group, value), FLOAT64)
    whole = f"CAST({value.sql} AS HUGEINT)" if value.type == INT64 else unscaled(value.sql)
    count = group.apply("COUNT", whole)
    total, squares = group.apply("SUM", whole), group.apply("SUM", f"{whole} * {whole}")
    top = f"CAST({count} * CAST({squares} AS HUGEINT) - CAST({total} AS HUGEINT) * CAST({total} AS HUGEINT) AS DOUBLE)"
    scale = "" if value.type == INT64 else " / 1e18"
    bottom = f"(CAST({count} AS DOUBLE) * {count})" if population else f"(CAST({count} AS DOUBLE) * ({count} - 1))"
    variance = f"({top} / {bottom}{scale})"
    sql = f"(CASE WHEN {count} > {0 if population else 1} THEN {f'SQRT({variance})' if root else variance} END)"
    return Value(sql, FLOAT64)


def _pair(group: Group) -> Value:
    group.only(count=2)
    numbers = []
    for value in group.values:
        if not is_number(value.type):
            raise invalid(f"{group.name} takes numbers, not {value.type}", group.call.node)
        numbers.append(as_type(value, FLOAT64))
    result = group.apply(group.name, *numbers)
    if group.name == "CORR":  # without spread there is no correlation: NaN in BigQuery
        both = f"{numbers[0]} IS NOT NULL AND {numbers[1]} IS NOT NULL"
        count = Group(group.call, over=group.over).apply("COUNT", f"CASE WHEN {both} THEN 1 END")
        result = f"(CASE WHEN {count} > 1 THEN COALESCE({result}, CAST('nan' AS DOUBLE)) END)"
    return Value(result, FLOAT64)


def _array_agg(group: Group) -> Value:
    group.only("distinct", "ignore_nulls", "respect_nulls", "order", "limit")
    value = group.values[0]
    if value.type.element is not None:
        raise invalid("an array cannot hold arrays", group.call.node)
    sql = _listed(group, value, skip_nulls=group.ignore_nulls)
    return Value(sql, array(value.type if value.type != NULL else INT64))


def _listed(group: Group, value: Value, *, skip_nulls: bool) -> str:
    call = group.call
    keys = ""
    if group.order is not None:
        keys = " ORDER BY " + order_keys(call.ctx, group.order, call.scope, [], call.compile_)
        if group.distinct and any(
            call.compile_(call.ctx, key.this, call.scope).sql != value.sql for key in group.order.expressions
        ):
            raise invalid(f"ORDER BY in {call.name}(DISTINCT …) must be its argument", call.node)
    where = f" FILTER (WHERE {value.sql} IS NOT NULL)" if skip_nulls else ""
    cut = f"[1:{group.limit}]" if group.limit is not None else ""
    return f"(LIST({'DISTINCT ' if group.distinct else ''}{value.sql}{keys}){where}{group.over}){cut}"


def _string_agg(group: Group) -> Value:
    group.only("distinct", "order", "limit", count=(1, 2))
    value = group.values[0]
    if value.type not in (STRING, NULL):
        raise refused(f"STRING_AGG of {value.type}", group.call.node, "CAST it to STRING.")
    if len(group.values) > 1 and group.values[1].type == NULL:
        raise invalid("the separator of STRING_AGG is NULL", group.call.node)
    separator = as_type(group.values[1], STRING) if len(group.values) > 1 else "','"
    text_ = Value(as_type(value, STRING), STRING)
    return Value(f"array_to_string({_listed(group, text_, skip_nulls=True)}, {separator})", STRING)


def _any_value(group: Group) -> Value:
    group.only("having")
    value = group.values[0]
    if group.having is None:
        return Value(group.apply("ANY_VALUE", value.sql), value.type)
    key, largest = group.having
    by = group.call.compile_(group.call.ctx, key, group.call.scope)
    return _by(group, value, by, "MAX" if largest else "MIN")


def _max_by(group: Group) -> Value:
    group.only(count=2)
    return _by(group, group.values[0], group.values[1], group.name[:3])


def _by(group: Group, value: Value, by: Value, which: str) -> Value:
    if by.type.kind in _UNORDERED or by.type == FLOAT64:
        raise refused(
            f"{group.name} by {by.type.kind}", group.call.node, "Use ARRAY_AGG(… ORDER BY … LIMIT 1)[OFFSET(0)]."
        )
    return Value(group.apply(f"ARG_{which}_NULL", value.sql, by.sql), value.type)


def _numbering(group: Group) -> Value:
    group.only(count=0)
    kind = FLOAT64 if group.name in ("PERCENT_RANK", "CUME_DIST") else INT64
    return Value(group.apply(group.name), kind)


def constant(call: Call, node: exp.Expr, value: Value, what: str, *, least: int) -> str:
    """Return an INT64 that is a number or a parameter. Raises DataError for another one, or one below `least`."""
    if isinstance(node, exp.Parameter):
        return as_type(value, INT64)
    if not isinstance(node, exp.Literal) or not node.is_int:
        raise invalid(f"{what} is a number or a parameter", call.node)
    if int(node.this) < least:
        raise invalid(f"{what} is at least {least}", call.node)
    return value.sql


def _ntile(group: Group) -> Value:
    group.only()
    buckets = constant(group.call, group.call.arguments[0], group.values[0], "the argument of NTILE", least=1)
    return Value(group.apply("NTILE", buckets), INT64)


def _shift(group: Group) -> Value:
    group.only(count=(1, 2, 3))
    value = group.values[0]
    arguments = [value.sql]
    if len(group.values) > 1:
        node = group.call.arguments[1]
        arguments.append(constant(group.call, node, group.values[1], f"the offset of {group.name}", least=0))
    if len(group.values) == 3:  # noqa: PLR2004 - value, distance, default
        arguments.append(as_type(group.values[2], value.type))
    return Value(group.apply(group.name, *arguments), value.type)


def _plain(node: exp.Expr) -> exp.Expr:
    while isinstance(node, (exp.IgnoreNulls, exp.RespectNulls)):
        node = node.this
    return node


def _edge(group: Group) -> Value:
    group.only("ignore_nulls", "respect_nulls", count=2 if group.name == "NTH_VALUE" else 1)
    value = group.values[0]
    word = " IGNORE NULLS" if group.ignore_nulls else ""
    rest = ""
    if group.name == "NTH_VALUE":
        position = _plain(group.call.arguments[1])
        rest = f", {constant(group.call, position, group.values[1], 'the position of NTH_VALUE', least=1)}"
    return Value(f"{group.name}({value.sql}{rest}{word}){group.over}", value.type)


def _percentile(group: Group) -> Value:
    group.only("ignore_nulls", count=2)
    value, share = group.values
    if group.name == "PERCENTILE_CONT":
        if value.type not in (INT64, FLOAT64) or (share.literal is None and share.type != INT64):
            raise refused(
                f"PERCENTILE_CONT of {value.type} at a share that is not a literal", group.call.node, "CAST to FLOAT64."
            )
        return Value(group.apply("QUANTILE_CONT", as_type(value, FLOAT64), share.sql), FLOAT64)
    if value.type.kind in (*_UNORDERED, "FLOAT64") or share.literal is None:
        raise refused(f"PERCENTILE_DISC of {value.type}", group.call.node)
    return Value(group.apply("QUANTILE_DISC", value.sql, share.sql), value.type)


def _aggregate(name: str, form: str, build: Callable[[Group], Value], page: str = _PAGE, **flags: bool) -> Aggregate:
    return Aggregate(name, f"{page}{name.lower()}", form, build, **flags)


AGGREGATES: Final = (
    _aggregate("COUNT", "[DISTINCT] value -> INT64; COUNT(*)", _count),
    _aggregate("COUNTIF", "BOOL -> INT64", _countif),
    _aggregate("SUM", "[DISTINCT] number -> number", _sum),
    _aggregate("AVG", "[DISTINCT] INT64 or FLOAT64 -> FLOAT64; NUMERIC -> NUMERIC", _avg),
    _aggregate("MIN", "value -> value", _extreme),
    _aggregate("MAX", "value -> value", _extreme),
    _aggregate("LOGICAL_AND", "BOOL -> BOOL", _logical),
    _aggregate("LOGICAL_OR", "BOOL -> BOOL", _logical),
    *(
        _aggregate(name, "number -> FLOAT64", _spread, "statistical_aggregate_functions#")
        for name in ("STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE", "VAR_SAMP", "VAR_POP")
    ),
    *(
        _aggregate(name, "number, number -> FLOAT64", _pair, "statistical_aggregate_functions#")
        for name in ("CORR", "COVAR_POP", "COVAR_SAMP")
    ),
    _aggregate("ARRAY_AGG", "[DISTINCT] value [IGNORE NULLS] [ORDER BY …] [LIMIT n] -> ARRAY", _array_agg),
    _aggregate("STRING_AGG", "[DISTINCT] STRING[, STRING] [ORDER BY …] [LIMIT n] -> STRING", _string_agg),
    _aggregate("ANY_VALUE", "value [HAVING MAX or MIN key] -> value", _any_value),
    _aggregate("MAX_BY", "value, key -> value", _max_by),
    _aggregate("MIN_BY", "value, key -> value", _max_by),
    *(
        _aggregate(
            name,
            f"-> {'FLOAT64' if name in ('PERCENT_RANK', 'CUME_DIST') else 'INT64'}",
            _numbering,
            _NUMBERING,
            window_only=True,
            framed=False,
        )
        for name in ("ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST")
    ),
    _aggregate("NTILE", "INT64 -> INT64", _ntile, _NUMBERING, window_only=True, framed=False),
    _aggregate("LAG", "value[, INT64[, value]] -> value", _shift, _NAVIGATION, window_only=True, framed=False),
    _aggregate("LEAD", "value[, INT64[, value]] -> value", _shift, _NAVIGATION, window_only=True, framed=False),
    _aggregate("FIRST_VALUE", "value [IGNORE NULLS] -> value", _edge, _NAVIGATION, window_only=True),
    _aggregate("LAST_VALUE", "value [IGNORE NULLS] -> value", _edge, _NAVIGATION, window_only=True),
    _aggregate("NTH_VALUE", "value, INT64 [IGNORE NULLS] -> value", _edge, _NAVIGATION, window_only=True),
    _aggregate(
        "PERCENTILE_CONT", "FLOAT64, literal -> FLOAT64", _percentile, _NAVIGATION, window_only=True, framed=False
    ),
    _aggregate("PERCENTILE_DISC", "value, literal -> value", _percentile, _NAVIGATION, window_only=True, framed=False),
)
