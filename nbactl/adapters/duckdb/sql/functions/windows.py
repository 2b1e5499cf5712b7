"""OVER: partitions, order and frames, and the modifiers that are written inside an aggregate's parentheses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.functions.aggregates import Aggregate, Group
from nbactl.adapters.duckdb.sql.ordering import order_keys
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import INT64, Value

if TYPE_CHECKING:
    from nbactl.adapters.duckdb.sql.functions.table import Call

_SIDES: Final = ("PRECEDING", "FOLLOWING")


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
    if window is not None:
        group.over = _over(call, entry, window)
    group.values = [_argument(call, part) for part in arguments]
    if any(value.aggregate for value in group.values) and window is None:
        raise invalid(f"an aggregate inside {call.name}", call.node, instead="Aggregate in a subquery first.")
    value = entry.build(group)
    return Value(value.sql, value.type, aggregate=window is None, bound=value.bound)


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


def _over(call: Call, entry: Aggregate, window: exp.Window) -> str:
    parts = _parts(call, window)
    pieces = []
    if parts.get("partition_by"):
        keys = []
        for part in parts["partition_by"]:
            value = call.compile_(call.ctx, part, call.scope)
            if value.type.kind in ("JSON", "ARRAY", "STRUCT"):
                raise refused(f"PARTITION BY {value.type.kind}", part)
            keys.append(f"({value.sql})")
        pieces.append(f"PARTITION BY {', '.join(keys)}")
    order, spec = parts.get("order"), parts.get("spec")
    by_value = spec is not None and spec.args.get("kind") == "RANGE" and _is_offset(spec)
    if order is not None:
        if by_value and len(order.expressions) != 1:
            raise invalid("a RANGE of values needs one ORDER BY expression", window)
        keys_sql = order_keys(call.ctx, order, call.scope, [], call.compile_, one_key=by_value)
        pieces.append(f"ORDER BY {keys_sql}")
    elif entry.name in ("RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD"):
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
        raise refused(f"a frame by {value.type}", spec, "Order by an INT64, such as UNIX_DATE(day).")
    return f"{value.sql} {side}"
