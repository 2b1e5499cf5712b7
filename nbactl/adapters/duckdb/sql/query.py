"""Queries: SELECT and its clauses, set operations, WITH. Names follow BigQuery's rules, whatever DuckDB's are."""

from __future__ import annotations

from typing import Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.context import Context, Out, Query
from nbactl.adapters.duckdb.sql.expressions import compile_expression, only
from nbactl.adapters.duckdb.sql.ordering import order_keys
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.relations import relations
from nbactl.adapters.duckdb.sql.scope import Column, Scope, column_sql
from nbactl.adapters.duckdb.sql.types import Type, Value, identifier, struct_names, supertype

_SETS: Final = {"Union": "UNION", "Except": "EXCEPT", "Intersect": "INTERSECT"}
_SELECT: Final = (
    "expressions", "distinct", "from_", "joins", "where", "group", "having", "qualify", "windows", "order", "limit",
    "offset", "with_", "kind",
)  # fmt: skip


def compile_query(ctx: Context, node: exp.Expr, outer: Scope | None) -> Query:
    """Compile a query. Raises DataError for what is not on the list."""
    if isinstance(node, exp.Subquery):
        only(node, "this", "order", "limit", "offset", "with_")
        inner = _with(ctx, node, outer, lambda: compile_query(ctx, node.this, outer))
        return _ordered(ctx, node, inner, outer)
    if isinstance(node, exp.SetOperation):
        only(node, "this", "expression", "distinct", "order", "limit", "offset", "with_")
        return _with(ctx, node, outer, lambda: _ordered(ctx, node, _set_operation(ctx, node, outer), outer))
    if isinstance(node, exp.Select):
        only(node, *_SELECT)
        return _with(ctx, node, outer, lambda: _select(ctx, node, outer))
    raise refused(type(node).__name__.upper(), node)


def _with(ctx: Context, node: exp.Expr, outer: Scope | None, body: object) -> Query:
    clause = node.args.get("with_")
    if clause is None:
        return body()  # type: ignore[operator,no-any-return]
    only(clause, "expressions")
    before, parts = dict(ctx.ctes), []
    named: set[str] = set()
    for cte in clause.expressions:
        only(cte, "this", "alias")
        if cte.args["alias"].columns:
            raise refused("WITH name (columns)", cte, "Give the columns aliases in its SELECT.")
        if cte.alias.lower() in named:
            raise invalid(f"two queries of WITH are named {cte.alias}", cte, instead="Rename one of them.")
        named.add(cte.alias.lower())
        query = compile_query(ctx, cte.this, outer)
        name = ctx.fresh("c")
        ctx.ctes[cte.alias.lower()] = (name, query)
        parts.append(f"{name} AS ({query.sql})")
    query = body()  # type: ignore[operator]
    ctx.ctes = before
    return Query(f"WITH {', '.join(parts)} {query.sql}", query.columns, query.whole)


def _set_operation(ctx: Context, node: exp.SetOperation, outer: Scope | None) -> Query:
    kind = _SETS[type(node).__name__]
    distinct = bool(node.args.get("distinct"))
    if kind != "UNION" and not distinct:
        raise invalid(f"{kind} needs DISTINCT", node)
    sides = [compile_query(ctx, part, outer) for part in (node.left, node.right)]
    if len({len(side.columns) for side in sides}) != 1:
        raise invalid(f"the queries of {kind} have different numbers of columns", node)
    types = []
    for one, other in zip(*(side.columns for side in sides), strict=True):
        kind_of = supertype([one.type, other.type])
        if kind_of is None:
            raise invalid(
                f"column {one.name} of {kind} is {one.type} and {other.type}", node, instead="CAST one of them."
            )
        types.append(kind_of)
    left, right = (_typed(ctx, side, types) for side in sides)
    columns = tuple(
        Out(column.name, type_, column.sql_name, column.anonymous)
        for column, type_ in zip(sides[0].columns, types, strict=True)
    )
    return Query(f"(({left}) {kind}{'' if distinct else ' ALL'} ({right}))", columns)


def _typed(ctx: Context, query: Query, types: list[Type]) -> str:
    if all(column.type == type_ for column, type_ in zip(query.columns, types, strict=True)):
        return query.sql
    name = ctx.fresh()
    listed = ", ".join(
        f"{as_type(column_sql(name, column.sql_name, column.type), type_)} AS {identifier(column.sql_name)}"
        for column, type_ in zip(query.columns, types, strict=True)
    )
    return f"SELECT {listed} FROM ({query.sql}) AS {name}"


def _ordered(ctx: Context, node: exp.Expr, inner: Query, outer: Scope | None) -> Query:
    order = node.args.get("order")
    tail = _limit(ctx, node)
    if order is None and not tail:
        return inner
    name = ctx.fresh()
    aliases = {
        column.name.lower(): Value(f"{name}.{identifier(column.sql_name)}", column.type)
        for column in inner.columns
        if not column.anonymous
    }
    columns = list(inner.columns)
    listed = ", ".join(f"{name}.{identifier(column.sql_name)}" for column in columns)
    scope = Scope(outer, [], {}, aliases)
    keys = ""
    if order is not None:
        values = [Value(f"{name}.{identifier(column.sql_name)}", column.type) for column in columns]
        keys = " ORDER BY " + order_keys(ctx, order, scope, values, compile_expression)
    return Query(f"SELECT {listed} FROM ({inner.sql}) AS {name}{keys}{tail}", inner.columns, inner.whole)


def _limit(ctx: Context, node: exp.Expr) -> str:
    text_ = ""
    for name, word in (("limit", "LIMIT"), ("offset", "OFFSET")):
        clause = node.args.get(name)
        if clause is None:
            continue
        only(clause, "expression")
        count = clause.expression
        if isinstance(count, exp.Parameter):
            value = compile_expression(ctx, count, Scope())
            text_ += f" {word} {value.sql}"
        elif isinstance(count, exp.Literal) and count.is_int:
            text_ += f" {word} {int(count.this)}"
        else:
            raise invalid(f"{word} takes a number or a parameter", clause)
    return text_


def _select(ctx: Context, node: exp.Select, outer: Scope | None) -> Query:
    from_sql, scope = relations(ctx, node, outer, compile_expression)
    ctx.windows.append({window.name.lower(): window for window in node.args.get("windows") or ()})
    where = node.args.get("where")
    where_sql = f" WHERE {_condition(ctx, where, scope, 'WHERE')}" if where else ""
    items = _items(ctx, node, scope)
    values = [value for _, value, _ in items]
    aliases = {name.lower(): value for name, value, named in items if named}
    seen = scope.with_aliases(aliases)
    group_sql = _group(ctx, node, seen, values)
    having, qualify = node.args.get("having"), node.args.get("qualify")
    having_sql = f" HAVING {_condition(ctx, having, seen, 'HAVING')}" if having else ""
    qualify_sql = f" QUALIFY {_condition(ctx, qualify, seen, 'QUALIFY')}" if qualify else ""
    columns = _named(items)
    kind = node.args.get("kind")
    whole = None
    if kind:
        if kind != "STRUCT":
            raise refused(f"SELECT AS {kind}", node)
        whole = Type(
            "STRUCT", None, tuple((column.name if not column.anonymous else "", column.type) for column in columns)
        )
        packed = ", ".join(
            f"{identifier(name)} := {value.sql}" for name, value in zip(struct_names(whole), values, strict=True)
        )
        columns = (Out("", whole, "f0_", anonymous=True),)
        values = [Value(f"struct_pack({packed})", whole)]
    distinct = node.args.get("distinct")
    if distinct is not None:
        only(distinct)
    order = node.args.get("order")
    order_sql = ""
    if order is not None:
        positions = bool(distinct)
        order_sql = " ORDER BY " + order_keys(ctx, order, seen, values, compile_expression, by_position=positions)
    ctx.windows.pop()
    listed = ", ".join(
        f"{value.sql} AS {identifier(column.sql_name)}" for value, column in zip(values, columns, strict=True)
    )
    sql = (
        f"SELECT {'DISTINCT ' if distinct else ''}{listed}{from_sql}{where_sql}{group_sql}{having_sql}{qualify_sql}"
        f"{order_sql}{_limit(ctx, node)}"
    )
    return Query(sql, columns, whole)


def _condition(ctx: Context, clause: exp.Expr, scope: Scope, word: str) -> str:
    only(clause, "this")
    value = compile_expression(ctx, clause.this, scope)
    if value.type.kind not in ("BOOL", "NULL"):
        raise invalid(f"{word} needs a BOOL, not {value.type}", clause)
    return value.sql


def _group(ctx: Context, node: exp.Select, scope: Scope, values: list[Value]) -> str:
    group = node.args.get("group")
    if group is None:
        return ""
    for form in ("rollup", "cube", "grouping_sets", "all", "totals"):
        if group.args.get(form):
            raise refused(f"GROUP BY {form.upper().replace('_', ' ')}", group, "Name the expressions.")
    only(group, "expressions")
    keys = []
    for key in group.expressions:
        if isinstance(key, exp.Literal) and key.is_int:
            position = int(key.this)
            if not 1 <= position <= len(values):
                raise invalid(f"GROUP BY {position} is not a position in the SELECT list", key)
            value = values[position - 1]
        elif isinstance(key, (exp.Rollup, exp.Cube, exp.GroupingSets)):
            raise refused(f"GROUP BY {type(key).__name__.upper()}", key, "Name the expressions.")
        else:
            value = compile_expression(ctx, key, scope)
        if value.aggregate:
            raise invalid("GROUP BY cannot contain an aggregate", key)
        if value.type.kind in ("JSON", "ARRAY", "STRUCT"):
            raise refused(f"GROUP BY {value.type.kind}", key, "Group by parts of it.")
        keys.append(f"({value.sql})")
    return f" GROUP BY {', '.join(keys)}"


def _items(ctx: Context, node: exp.Select, scope: Scope) -> list[tuple[str, Value, bool]]:
    items: list[tuple[str, Value, bool]] = []
    for item in node.expressions:
        if isinstance(item, exp.Star):
            items += _star(ctx, item, list(scope.stars()), scope)
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            items += _star(ctx, item.this, _columns_of(item, scope), scope)
        elif isinstance(item, exp.Alias):
            only(item, "this", "alias")
            items.append((item.alias, compile_expression(ctx, item.this, scope), True))
        else:
            value = compile_expression(ctx, item, scope)
            name = item.name if isinstance(item, exp.Column) else ""
            if isinstance(item, exp.Dot):
                name = item.expression.name
            items.append((name, value, bool(name)))
    return items


def _columns_of(item: exp.Column, scope: Scope) -> list[Column]:
    if item.args.get("db"):
        raise refused("a star with several dots", item)
    found, at = None, scope
    while found is None and at is not None:
        found = at.relation(item.table)
        at = at.outer  # type: ignore[assignment]
    if found is None:
        raise invalid(f"there is no table {item.table} in FROM", item)
    return found.columns


def _star(ctx: Context, star: exp.Star, columns: list[Column], scope: Scope) -> list[tuple[str, Value, bool]]:
    only(star, "except_", "replace")
    if not columns:
        raise invalid("SELECT * needs a FROM clause", star)
    dropped = {column.name.lower() for column in star.args.get("except_") or ()}
    replaced = {alias.alias.lower(): alias for alias in star.args.get("replace") or ()}
    known = {column.name.lower() for column in columns}
    if odd := sorted((dropped | replaced.keys()) - known):
        raise invalid(f"column {odd[0]} in * EXCEPT or REPLACE is not there", star)
    return [
        (
            column.name,
            compile_expression(ctx, replaced[column.name.lower()].this, scope)
            if column.name.lower() in replaced
            else column.value,
            True,
        )
        for column in columns
        if column.name.lower() not in dropped
    ]


def _named(items: list[tuple[str, Value, bool]]) -> tuple[Out, ...]:
    columns: list[Out] = []
    taken: set[str] = {name.lower() for name, _, named in items if named}
    unnamed = 0
    used: set[str] = set()
    for name, value, named in items:
        own = name
        if not named:
            own = f"f{unnamed}_"
            unnamed += 1
        sql_name = own
        while sql_name.lower() in used or (not named and sql_name.lower() in taken):
            sql_name += "'"
        used.add(sql_name.lower())
        columns.append(Out(own, value.type, sql_name, anonymous=not named))
    return tuple(columns)
