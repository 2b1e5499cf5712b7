"""FROM: tables, subqueries, UNNEST and joins, each under a name of our own, so that no name can mean two things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.errors import did_you_mean
from nbactl.adapters.duckdb.sql.expressions import only
from nbactl.adapters.duckdb.sql.operators import compared
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.scope import Column, Relation, Scope, column_sql
from nbactl.adapters.duckdb.sql.types import INT64, Value, identifier, struct_names, supertype, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.duckdb.sql.context import Context, Query

    Compile = Callable[[Context, exp.Expr, Scope], Value]


def relations(ctx: Context, node: exp.Select, outer: Scope | None, compile_: Compile) -> tuple[str, Scope]:
    """Compile FROM and its joins; returns the text, and the scope of the other clauses."""
    scope = Scope(outer)
    clause = node.args.get("from_")
    if clause is None:
        if node.args.get("where") or node.args.get("joins"):
            raise invalid("a query without FROM has no WHERE", node)
        return "", scope
    only(clause, "this")
    sql, relation = _relation(ctx, clause.this, scope, compile_)
    scope.relations.append(relation)
    for join in node.args.get("joins") or ():
        sql = _join(ctx, join, sql, scope, compile_)
        added = scope.relations[-1]
        if added.name and scope.relation(added.name) is not added:
            raise invalid(f"two tables in FROM are named {added.name}", join, instead="Give one of them another alias.")
    return f" FROM {sql}", scope


def _join(ctx: Context, join: exp.Join, left: str, scope: Scope, compile_: Compile) -> str:
    only(join, "this", "side", "kind", "on", "using")
    side, kind = (join.side or "").upper(), (join.kind or "").upper()
    if kind not in ("", "INNER", "CROSS", "OUTER") or side not in ("", "LEFT", "RIGHT", "FULL"):
        raise refused(f"{side} {kind} JOIN".strip(), join)
    before = list(scope.relations)
    sql, relation = _relation(ctx, join.this, scope, compile_)
    on, using = join.args.get("on"), join.args.get("using")
    lateral = isinstance(join.this, exp.Unnest)
    if lateral and side in ("RIGHT", "FULL"):
        raise refused(f"{side} JOIN UNNEST", join)
    sql = f"LATERAL {sql}" if lateral else sql
    if on is None and not using:
        if kind not in ("CROSS", "") or (side and not lateral):
            raise invalid(f"{side or kind} JOIN needs ON or USING", join)
        scope.relations.append(relation)
        return f"{left} LEFT JOIN {sql} ON TRUE" if side else f"{left} CROSS JOIN {sql}"
    if kind == "CROSS":
        raise invalid("CROSS JOIN has no condition", join)
    if using:
        condition = _using(scope, before, relation, join)
        scope.relations.append(relation)
    else:
        scope.relations.append(relation)
        value = compile_(ctx, join.args["on"], scope)
        if value.type.kind not in ("BOOL", "NULL"):
            raise invalid(f"ON needs a BOOL, not {value.type}", join)
        condition = value.sql
    return f"{left} {side or 'INNER'} JOIN {sql} ON {condition}"


def _using(scope: Scope, before: list[Relation], relation: Relation, join: exp.Join) -> str:
    side = (join.side or "").upper()
    left_scope, right_scope = Scope(None, before, dict(scope.joined)), Scope(None, [relation])
    conditions = []
    for name in (identifier_.name for identifier_ in join.args["using"]):
        left, right = left_scope.resolve([name], join), right_scope.resolve([name], join)
        conditions.append(compared("=", left, right, join).sql)
        kind = supertype([left.type, right.type]) or left.type
        if side == "FULL":
            merged = Value(f"COALESCE({left.sql}, {right.sql})", kind)
        else:
            merged = right if side == "RIGHT" else left
        scope.joined[name.lower()] = merged
    return " AND ".join(f"({condition})" for condition in conditions)


def _relation(ctx: Context, node: exp.Expr, scope: Scope, compile_: Compile) -> tuple[str, Relation]:
    if isinstance(node, exp.Table):
        return _table(ctx, node)
    if isinstance(node, exp.Subquery):
        if node.args.get("pivots") or node.args.get("sample"):
            raise refused("PIVOT, UNPIVOT or TABLESAMPLE", node)
        only(node, "this", "alias", "order", "limit", "offset", "with_")
        alias = node.args.get("alias")
        if alias is not None and alias.columns:
            raise refused("a list of columns after an alias", node, "Give the columns aliases in the SELECT.")
        bare = node.copy()
        bare.set("alias", None)
        inner = bare.this if not any(bare.args.get(key) for key in ("order", "limit", "offset", "with_")) else bare
        query = ctx.query(ctx, inner, scope.outer)
        name = ctx.fresh()
        return f"({query.sql}) AS {name}", _of_query(node.alias, name, query)
    if isinstance(node, exp.Unnest):
        return _unnest(ctx, node, scope, compile_)
    raise refused(f"{type(node).__name__.upper()} in FROM", node)


def _of_query(alias: str, name: str, query: Query) -> Relation:
    if query.whole is not None:
        value = Value(f"{name}.{identifier('f0_')}", query.whole)
        columns = [
            Column(field, Value(f"struct_extract({value.sql}, {text(own)})", kind))
            for own, (field, kind) in zip(struct_names(query.whole), query.whole.fields, strict=True)
        ]
        return Relation(alias, columns, value)
    columns = [
        Column("" if column.anonymous else column.name, column_sql(name, column.sql_name, column.type))
        for column in query.columns
    ]
    return Relation(alias, columns)


def _table(ctx: Context, node: exp.Table) -> tuple[str, Relation]:
    for clause in ("pivots", "sample", "version", "when", "joins", "hints", "changes"):
        if node.args.get(clause):
            raise refused(f"{clause.upper()} of a table", node)
    only(node, "this", "db", "catalog", "alias")
    if not isinstance(node.this, exp.Identifier):
        raise refused("a table function", node)
    alias = node.args.get("alias")
    if alias is not None and alias.columns:
        raise refused("a list of columns after an alias", node)
    name = ctx.fresh()
    if not node.db:
        found = ctx.ctes.get(node.name.lower())
        if found is None:
            close = did_you_mean(node.name, ctx.ctes)
            raise invalid(f"there is no table {node.name}", node, instead=close or "Write dataset.table.")
        return f"{found[0]} AS {name}", _of_query(node.alias or node.name, name, found[1])
    full = f"{node.db}.{node.name}"
    if full.endswith("*"):
        raise refused("a wildcard table", node, "Name the table.")
    columns = [Column(column, column_sql(name, column, kind)) for column, kind in ctx.table(full)]
    sql = f"{identifier(node.db)}.{identifier(node.name)} AS {name}"
    return sql, Relation(node.alias or node.name, columns)


def _unnest(ctx: Context, node: exp.Unnest, scope: Scope, compile_: Compile) -> tuple[str, Relation]:
    only(node, "expressions", "alias", "offset")
    if len(node.expressions) != 1:
        raise refused("UNNEST of several arrays", node, "Join on their offsets.")
    value = compile_(ctx, node.expressions[0], scope)
    if value.type.element is None:
        raise invalid(f"UNNEST needs an ARRAY, not {value.type}", node)
    element = value.type.element if value.type.element.kind != "NULL" else INT64
    alias, offset = node.args.get("alias"), node.args.get("offset")
    names = [column.name for column in alias.columns] if alias else []
    position = offset.name if isinstance(offset, exp.Identifier) else "offset"
    own = next((name for name in names if not (offset and name == position)), "") or (alias.name if alias else "")
    name = ctx.fresh()
    item = Value(f"{name}.e", element)
    if element.kind == "STRUCT":
        columns = [
            Column(field, Value(f"struct_extract({item.sql}, {text(sql_name)})", kind))
            for sql_name, (field, kind) in zip(struct_names(element), element.fields, strict=True)
        ]
    else:
        columns = [Column(own, item)]
    if offset:
        columns.append(Column(position, Value(f"{name}.o", INT64)))
    rows = f"SELECT UNNEST({value.sql}) AS e"
    if offset:
        rows += f", UNNEST(RANGE(LEN({value.sql}))) AS o"
    return f"({rows}) AS {name}", Relation(own, columns, item)
