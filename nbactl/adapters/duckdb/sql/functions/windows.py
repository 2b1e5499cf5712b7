"""OVER: partitions, order and frames, and the modifiers that are written inside an aggregate's parentheses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.functions.aggregates import Aggregate, Group, constant
from nbactl.adapters.duckdb.sql.ordering import order_keys
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import FLOAT64, INT64, Value, is_number

if TYPE_CHECKING:
    from nbactl.adapters.duckdb.sql.functions.table import Call

_ORDERED: Final = frozenset({
    "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE",
})  # fmt: skip
_UNORDERED: Final = frozenset({"PERCENTILE_CONT", "PERCENTILE_DISC"})
_BY_NUMBER: Final = "Order by an INT64, such as UNIX_DATE(day)."
_SIDES: Final = ("PRECEDING", "FOLLOWING")
_QUOTED_OR_ERROR: Final = re.compile(r"""'[^']*'|"[^"]*"|\bERROR\(""")


def aggregate(call: Call, entry: Aggregate, window: exp.Window | None) -> Value:
    """Compile a call of an aggregate or window function."""
    if call.safe:
        raise refused(f"SAFE.{call.name}", call.node)
    if window is None and entry.window_only:
        raise invalid(f"{call.name} needs OVER", call.node)
    group = Group(call)
    arguments = list(call.arguments)
    first = _unwrapped(group, arguments[0]) if arguments else None
    if first is not None:
        arguments[0] = first
        if isinstance(first, exp.Distinct):
            group.distinct = True
            arguments = [*first.expressions, *arguments[1:]]
            inner = _unwrapped(group, arguments[0])
            arguments[0] = inner
    if len(arguments) > 1:
        arguments[-1] = _unwrapped(group, arguments[-1])
    may_fail: list[str] = []
    if window is not None:
        group.over = _over(call, entry, window, may_fail, distinct=group.distinct)
        if group.order is not None or group.limit is not None:
            raise invalid(f"{call.name} with OVER has no ORDER BY or LIMIT of its own", call.node)
    group.values = [_argument(call, part) for part in arguments]
    if any(value.aggregate for value in group.values) and window is None:
        raise invalid(f"an aggregate inside {call.name}", call.node, instead="Aggregate in a subquery first.")
    value = entry.build(group)
    sql = value.sql
    if may_fail:
        computed = " AND ".join(f"{key} IS NOT DISTINCT FROM {_without_errors(key)}" for key in may_fail)
        sql = f"(CASE WHEN {computed} THEN {sql} END)"
    return Value(sql, value.type, aggregate=window is None, bound=value.bound)


def _argument(call: Call, node: exp.Expr) -> Value:
    if isinstance(node, exp.Star):
        if call.name != "COUNT":
            raise invalid(f"{call.name}(*)", node)
        return Value("*", INT64)
    return call.compile_(call.ctx, node, call.scope)


def _unwrapped(group: Group, node: exp.Expr) -> exp.Expr:
    """Take modifiers from around an argument: LIMIT around ORDER BY around IGNORE NULLS around it."""
    while True:
        if isinstance(node, exp.Limit):
            count = node.expression
            if not isinstance(count, exp.Literal) or not count.is_int:
                raise refused(f"LIMIT in {group.name} that is not a number", node)
            group.limit, node = int(count.this), node.this
        elif isinstance(node, exp.Order) and node.this is not None:
            group.order, node = node, node.this
        elif isinstance(node, exp.IgnoreNulls):
            group.ignore_nulls, node = True, node.this
        elif isinstance(node, exp.RespectNulls):
            group.respect_nulls, node = True, node.this
        elif isinstance(node, exp.HavingMax):
            group.having, node = (node.expression, bool(node.args.get("max"))), node.this
        else:
            return node


def _without_errors(sql: str) -> str:
    """Return SQL that gives NULL where it would fail: DuckDB refuses keys of a window that can fail."""
    return _QUOTED_OR_ERROR.sub(lambda found: "constant_or_null(NULL, " if found[0] == "ERROR(" else found[0], sql)


def _over(  # noqa: C901 - one rule of OVER a branch
    call: Call, entry: Aggregate, window: exp.Window, may_fail: list[str], *, distinct: bool
) -> str:
    """Return the text of OVER, and add to `may_fail` the keys that must be computed outside it for their errors."""
    parts = _parts(call, window)
    pieces = []
    if parts.get("partition_by"):
        keys = []
        for part in parts["partition_by"]:
            value = call.compile_(call.ctx, part, call.scope)
            if value.type.kind in ("JSON", "ARRAY", "STRUCT"):
                raise refused(f"PARTITION BY {value.type.kind}", part)
            if value.type == FLOAT64:
                raise invalid("PARTITION BY a FLOAT64", part, instead="CAST it to NUMERIC or STRING.")
            keys.append(f"({value.sql})")
        may_fail += [key for key in keys if _without_errors(key) != key]
        pieces.append(_without_errors(f"PARTITION BY {', '.join(keys)}"))
    order, spec = parts.get("order"), parts.get("spec")
    by_value = spec is not None and spec.args.get("kind") == "RANGE" and _is_offset(spec)
    if order is not None:
        if distinct or entry.name in _UNORDERED:
            raise invalid(f"{entry.name}{' of DISTINCT values' if distinct else ''} has no ORDER BY in OVER", window)
        if by_value and len(order.expressions) != 1:
            raise invalid("a RANGE of values needs one ORDER BY expression", window)
        keys_sql = order_keys(call.ctx, order, call.scope, [], call.compile_, one_key=by_value)
        values = [call.compile_(call.ctx, key.this, call.scope) for key in order.expressions]
        if by_value and not is_number(values[0].type):
            raise invalid(f"a RANGE of values needs a number, not {values[0].type}", window, instead=_BY_NUMBER)
        may_fail += [value.sql for value in values if _without_errors(value.sql) != value.sql]
        pieces.append(_without_errors(f"ORDER BY {keys_sql}"))
    elif entry.name in _ORDERED:
        raise invalid(f"{entry.name} needs ORDER BY in OVER", window)
    if spec is not None:
        if not entry.framed:
            raise invalid(f"{entry.name} has no frame", window)
        if order is None and spec.args.get("kind") == "RANGE" and by_value:
            raise invalid("a RANGE of values needs ORDER BY", window)
        pieces.append(_frame(call, spec))
    return f" OVER ({' '.join(pieces)})"


def _parts(call: Call, window: exp.Expr) -> dict[str, Any]:
    for part, value in window.args.items():
        if part not in ("this", "partition_by", "order", "spec", "alias", "over", "first") and value:
            raise refused(f"{part.upper()} in OVER", window)
    found = {part: window.args[part] for part in ("partition_by", "order", "spec") if window.args.get(part)}
    name = window.args.get("alias")
    if name is None:
        return found
    named = next((names[name.name.lower()] for names in reversed(call.ctx.windows) if name.name.lower() in names), None)
    if named is None:
        raise invalid(f"there is no window {name.name}", window)
    return {**_parts(call, named), **found}


def _is_offset(spec: exp.WindowSpec) -> bool:
    return any(isinstance(spec.args.get(end), exp.Expr) for end in ("start", "end"))


def _frame(call: Call, spec: exp.WindowSpec) -> str:
    if spec.args.get("exclude"):
        raise refused("EXCLUDE in a frame", spec)
    start = _bound(call, spec, "start")
    end = _bound(call, spec, "end") if spec.args.get("end") is not None else "CURRENT ROW"
    return f"{spec.args['kind']} BETWEEN {start} AND {end}"


def _bound(call: Call, spec: exp.WindowSpec, name: str) -> str:
    bound, side = spec.args[name], spec.args.get(f"{name}_side")
    if bound == "CURRENT ROW":
        return "CURRENT ROW"
    if side not in _SIDES:
        raise refused("this frame", spec)
    if bound == "UNBOUNDED":
        return f"UNBOUNDED {side}"
    value = call.compile_(call.ctx, bound, call.scope)
    if value.type != INT64:
        raise refused(f"a frame by {value.type}", spec, _BY_NUMBER)
    return f"{constant(call, bound, value, 'a bound of a frame', least=0)} {side}"
