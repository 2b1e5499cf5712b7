"""ORDER BY: NULLs come first, then NaN, unless the order says otherwise; a name means an alias before a column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import duckdb_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.duckdb.sql.context import Context
    from nbactl.adapters.duckdb.sql.scope import Scope
    from nbactl.adapters.duckdb.sql.types import Value

_CONSTANT: Final = re.compile(r"\(*(-?\d+|'([^']|'')*')\)*")


def order_keys(
    ctx: Context,
    order: exp.Expr,
    scope: Scope,
    items: list[Value],
    compile_: Callable[[Context, exp.Expr, Scope], Value],
    *,
    by_position: bool = False,
    one_key: bool = False,
) -> str:
    """Return the keys of an ORDER BY. `items` is the SELECT list; with DISTINCT keys are positions in it."""
    keys = []
    for ordered in order.expressions:
        if not isinstance(ordered, exp.Ordered) or ordered.args.get("with_fill"):
            raise refused("this ORDER BY", ordered)
        value, position = _key(ctx, ordered.this, scope, items, compile_)
        if value.type.kind in ("JSON", "ARRAY", "STRUCT", "INTERVAL"):
            raise refused(f"ORDER BY {value.type.kind}", ordered, "Order by parts of it.")
        if by_position and position is None:
            position = next((n for n, item in enumerate(items, 1) if item.sql == value.sql), None)
            if position is None:
                raise invalid("ORDER BY of SELECT DISTINCT must be in the SELECT list", ordered)
        direction = "DESC" if ordered.args.get("desc") else "ASC"
        nulls = "FIRST" if ordered.args.get("nulls_first") else "LAST"
        sql = str(position) if by_position else f"({value.sql})"
        if not by_position and _CONSTANT.fullmatch(value.sql):  # DuckDB takes it for a position, or refuses it
            sql = f"CAST({value.sql} AS {duckdb_name(value.type)})"
        if value.type.kind == "FLOAT64":
            if by_position:
                raise refused("ORDER BY of a FLOAT64 with DISTINCT", ordered, "Order in an outer query.")
            if one_key:
                raise refused("a RANGE of FLOAT64", ordered, "Order by an INT64 or NUMERIC.")
            opposite = "ASC" if direction == "DESC" else "DESC"
            keys.append(f"isnan({value.sql}) {opposite} NULLS {nulls}")
        keys.append(f"{sql} {direction} NULLS {nulls}")
    return ", ".join(keys)


def _key(
    ctx: Context,
    node: exp.Expr,
    scope: Scope,
    items: list[Value],
    compile_: Callable[[Context, exp.Expr, Scope], Value],
) -> tuple[Value, int | None]:
    if isinstance(node, exp.Literal) and node.is_int and items:
        position = int(node.this)
        if not 1 <= position <= len(items):
            raise invalid(f"ORDER BY {position} is not a position in the SELECT list", node)
        return items[position - 1], position
    return compile_(ctx, node, scope), None
