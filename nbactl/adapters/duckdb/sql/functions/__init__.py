"""The list of functions, and how a call finds its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.functions import (
    aggregates,
    arrays,
    conditionals,
    dates,
    formats,
    json,
    numbers,
    printf,
    regex,
    strings,
)
from nbactl.adapters.duckdb.sql.functions.instead import INSTEAD
from nbactl.adapters.duckdb.sql.functions.parts import UTC, extracted, named_zone, part_name
from nbactl.adapters.duckdb.sql.functions.table import Call, Function
from nbactl.adapters.duckdb.sql.functions.windows import aggregate
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import DATE, DATETIME, INT64, TIME, TIMESTAMP, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.duckdb.sql.context import Context
    from nbactl.adapters.duckdb.sql.scope import Scope

    Compile = Callable[[Context, exp.Expr, Scope], Value]

FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for room in (strings, regex, numbers, conditionals, arrays, json, dates, formats, printf)
    for function in room.FUNCTIONS
}
AGGREGATES: Final = {entry.name: entry for entry in aggregates.AGGREGATES}


def call(ctx: Context, node: exp.Expr, scope: Scope, compile_: Compile) -> Value:  # noqa: C901 - one form a branch
    """Compile the call of a function, with SAFE. before it or OVER behind it. Raises DataError if it is not listed."""
    window, safe, inner = None, False, node
    modifiers: list[type[exp.Expr]] = []
    if isinstance(inner, exp.Window):
        window, inner = inner, inner.this
    while isinstance(inner, (exp.IgnoreNulls, exp.RespectNulls)):
        modifiers.append(type(inner))
        inner = inner.this
    if isinstance(inner, exp.SafeFunc):
        safe, inner = True, inner.this
    if isinstance(inner, exp.GroupConcat):
        arguments = [inner.this, *([inner.args["separator"]] if inner.args.get("separator") else [])]
        name = "STRING_AGG"
    elif isinstance(inner, exp.Anonymous):
        arguments, name = list(inner.expressions), str(inner.this).upper()
    else:
        raise refused(f"{type(inner).__name__.upper()} with OVER or SAFE", node)
    if modifiers:
        arguments[0] = modifiers[0](this=arguments[0])
    request = Call(name, ctx, inner, scope, arguments, compile_, safe)
    if name in AGGREGATES:
        ctx.listed[name] = None
        return aggregate(request, AGGREGATES[name], window)
    entry = FUNCTIONS.get(name)
    if entry is None:
        raise refused(name, node, INSTEAD.get(name))
    if window is not None:
        raise invalid(f"{name} has no OVER", node)
    if safe and not entry.safe:
        raise refused(f"SAFE.{name}", node)
    ctx.listed[name] = None
    return entry.build(request)


def extract(ctx: Context, node: exp.Extract, scope: Scope, compile_: Compile) -> Value:
    """Compile EXTRACT(part FROM value [AT TIME ZONE zone])."""
    ctx.listed["EXTRACT"] = None
    part, source, zone = part_name(node.this), node.expression, UTC
    if isinstance(source, exp.AtTimeZone):
        written = compile_(ctx, source.args["zone"], scope)
        if written.literal is None:
            raise refused("EXTRACT with a time zone that is not a literal", source)
        zone, source = named_zone(written.literal, source), source.this
        value = compile_(ctx, source, scope)
        if value.type != TIMESTAMP:
            raise invalid(f"AT TIME ZONE needs a TIMESTAMP, not {value.type}", node)
    else:
        value = compile_(ctx, source, scope)
    if value.type not in (DATE, DATETIME, TIME, TIMESTAMP):
        raise invalid(f"EXTRACT needs a DATE, DATETIME, TIME or TIMESTAMP, not {value.type}", node)
    local = zone.local(value.sql) if value.type == TIMESTAMP else value.sql
    if part in ("DATE", "TIME", "DATETIME"):
        kind = {"DATE": DATE, "TIME": TIME, "DATETIME": DATETIME}[part]
        if value.type in (TIMESTAMP, DATETIME) and (kind != DATETIME or value.type == TIMESTAMP):
            sql = local if kind == DATETIME else f"CAST({local} AS {kind})"
            return Value(sql, kind, aggregate=value.aggregate)
        raise invalid(f"a {value.type} has no part {part}", node)
    sql = extracted(local, part, value.type.kind) or ""
    if not sql:
        raise invalid(f"a {value.type} has no part {part}", node)
    return Value(f"CAST({sql} AS BIGINT)", INT64, aggregate=value.aggregate)
