"""INSERT, DELETE, UPDATE, MERGE and TRUNCATE TABLE, compiled for DuckDB.

https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - imported by the adapter inside functions

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.expressions import compile_expression
from nbactl.adapters.duckdb.sql.query import compile_query
from nbactl.adapters.duckdb.sql.relations import relations
from nbactl.adapters.duckdb.sql.scope import Column, Relation, Scope, column_sql
from nbactl.adapters.duckdb.sql.types import Type, Value, coerces, identifier
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.duckdb.sql.context import Context

KINDS: Final[dict[type[exp.Expr], str]] = {
    exp.Insert: "INSERT",
    exp.Delete: "DELETE",
    exp.Update: "UPDATE",
    exp.Merge: "MERGE",
    exp.TruncateTable: "TRUNCATE_TABLE",
}
Columns = tuple[tuple[str, Type], ...]
TARGET: Final = '"_target"'
"""The alias of the table that is changed."""


def target(tree: exp.Expr) -> exp.Table:
    """Return the table that a statement changes. Raises DataError."""
    if isinstance(tree, exp.TruncateTable):
        whole = tree.expressions[0]
    else:
        whole = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(whole, exp.Table):
        raise DataError("a table is expected")
    return whole


def compile_change(
    ctx: Context, tree: exp.Expr, scope: Scope, name: str, columns: Columns, *, also: tuple[str, ...] = ()
) -> str:
    """Return a statement that changes rows of the table `name` in the engine's SQL. Raises DataError.

    `also` are assignments, in the engine's SQL, that are made to each row that is updated.
    """
    if isinstance(tree, (exp.Delete, exp.Update)) and tree.args.get("where") is None:
        raise DataError(f"{KINDS[type(tree)]} must have a WHERE clause at [1:1]")
    ctx.assigned = also
    return _BUILDERS[type(tree)](ctx, tree, scope, name, columns)


def double_matches(ctx: Context, tree: exp.Expr, scope: Scope, name: str, columns: Columns) -> str | None:
    """Return the query for a row that would be changed by more than one row, None where that cannot be."""
    if isinstance(tree, exp.Merge):
        if not any(when.args.get("matched") for when in tree.args["whens"].expressions):
            return None
        from_, condition = exp.From(this=tree.args["using"].copy()), tree.args["on"]
    elif isinstance(tree, exp.Update) and tree.args.get("from_") is not None:
        from_, condition = tree.args["from_"].copy(), tree.args["where"].this
    else:
        return None
    from_sql, source = relations(ctx, exp.Select(from_=from_), scope, compile_expression)
    both = target_scope(scope, target(tree), columns)
    both.relations += source.relations
    on = compile_expression(ctx, condition, both).sql
    return (
        f"SELECT 1 FROM {name} AS {TARGET} JOIN {from_sql.removeprefix(' FROM ')} ON {on} "
        f"GROUP BY {TARGET}.rowid HAVING COUNT(*) > 1 LIMIT 1"
    )


DOUBLE_MATCH: Final = "UPDATE/MERGE must match at most one source row for each target row"


def _stored(value: Value, column: tuple[str, Type], node: exp.Expr, position: int | None = None) -> str:
    name, kind = column
    fits = coerces(value, kind) or (value.type.kind == "STRUCT" == kind.kind)
    array_of_nothing = value.type.element is not None and kind.element is not None and value.type.element.kind == "NULL"
    if not fits and not array_of_nothing:
        if position is None:
            raise DataError(f"Value of type {value.type} cannot be assigned to {name}, which has type {kind}")
        raise DataError(
            f"Query column {position} has type {value.type} which cannot be inserted into column {name}, "
            f"which has type {kind}"
        )
    return as_type(value, kind, node)


def _named(names: list[str], columns: Columns) -> list[tuple[str, Type]]:
    known = {name.lower(): (name, kind) for name, kind in columns}
    for name in names:
        if name.lower() not in known:
            raise DataError(f"Column {name} is not present in the target table")
        if [other.lower() for other in names].count(name.lower()) > 1:
            raise DataError(f"Column {name} is listed more than once")
    return [known[name.lower()] for name in names]


def _insert(ctx: Context, tree: exp.Insert, scope: Scope, name: str, columns: Columns) -> str:
    listed = [part.name for part in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
    into = _named(listed, columns) if listed else list(columns)
    source = tree.expression
    if isinstance(source, exp.Values):
        return f"INSERT INTO {name} ({_list(into)}) VALUES {_tuples(ctx, source, scope, into)}"
    query = compile_query(ctx, source, scope)
    if len(query.columns) != len(into):
        raise DataError(f"Inserted row has wrong column count; Has {len(query.columns)}, expected {len(into)}")
    selected = ", ".join(
        _stored(column_sql("_rows", out.sql_name, out.type), column, source, position)
        for position, (out, column) in enumerate(zip(query.columns, into, strict=True), 1)
    )
    return f"INSERT INTO {name} ({_list(into)}) SELECT {selected} FROM ({query.sql}) AS _rows"


def _tuples(ctx: Context, source: exp.Values, scope: Scope, into: list[tuple[str, Type]]) -> str:
    rows = []
    for row in source.expressions:
        parts = row.expressions if isinstance(row, exp.Tuple) else [row]
        if len(parts) != len(into):
            raise DataError(f"Inserted row has wrong column count; Has {len(parts)}, expected {len(into)}")
        rows.append(
            "("
            + ", ".join(
                "NULL" if _is_default(part) else _stored(compile_expression(ctx, part, scope), column, part, position)
                for position, (part, column) in enumerate(zip(parts, into, strict=True), 1)
            )
            + ")"
        )
    return ", ".join(rows)


def _is_default(node: exp.Expr) -> bool:
    return isinstance(node, exp.Var) and node.name.upper() == "DEFAULT"


def _list(columns: list[tuple[str, Type]]) -> str:
    return ", ".join(identifier(name) for name, _ in columns)


def target_scope(outer: Scope, node: exp.Table, columns: Columns) -> Scope:
    """Return the scope in which the columns of the table that is changed are known."""
    relation = Relation(
        node.alias or node.name, [Column(name, column_sql(TARGET, name, kind)) for name, kind in columns]
    )
    return Scope(outer, [relation])


def _where(ctx: Context, tree: exp.Expr, scope: Scope) -> str:
    return compile_expression(ctx, tree.args["where"].this, scope).sql


def _delete(ctx: Context, tree: exp.Delete, scope: Scope, name: str, columns: Columns) -> str:
    return f"DELETE FROM {name} AS {TARGET} WHERE {_where(ctx, tree, target_scope(scope, target(tree), columns))}"


def _truncate(_: Context, __: exp.TruncateTable, ___: Scope, name: str, ____: Columns) -> str:
    return f"DELETE FROM {name}"


def _update(ctx: Context, tree: exp.Update, scope: Scope, name: str, columns: Columns) -> str:
    inner = target_scope(scope, target(tree), columns)
    from_sql = ""
    if tree.args.get("from_") is not None:
        from_sql, found = relations(ctx, exp.Select(from_=tree.args["from_"]), scope, compile_expression)
        inner.relations += found.relations
    sets = _sets(ctx, tree.expressions, inner, columns)
    return f"UPDATE {name} AS {TARGET} SET {sets}{from_sql} WHERE {_where(ctx, tree, inner)}"


def _sets(ctx: Context, assignments: list[exp.Expr], scope: Scope, columns: Columns) -> str:
    named = _named([part.this.name for part in assignments], columns)
    made = [
        f"{identifier(column[0])} = "
        + (
            "NULL"
            if _is_default(part.expression)
            else _stored(compile_expression(ctx, part.expression, scope), column, part)
        )
        for part, column in zip(assignments, named, strict=True)
    ]
    return ", ".join([*made, *ctx.assigned])


def _merge(ctx: Context, tree: exp.Merge, scope: Scope, name: str, columns: Columns) -> str:
    from_sql, source = relations(ctx, exp.Select(from_=exp.From(this=tree.args["using"])), scope, compile_expression)
    both = target_scope(scope, target(tree), columns)
    both.relations += source.relations
    here = target_scope(scope, target(tree), columns)
    on = compile_expression(ctx, tree.args["on"], both).sql
    whens = []
    for when in tree.args["whens"].expressions:
        matched, by_source = bool(when.args.get("matched")), bool(when.args.get("source"))
        inner = both if matched else here if by_source else source
        test = when.args.get("condition")
        clause = "MATCHED" if matched else f"NOT MATCHED BY {'SOURCE' if by_source else 'TARGET'}"
        condition = f" AND {compile_expression(ctx, test, inner).sql}" if test is not None else ""
        whens.append(f"WHEN {clause}{condition} THEN {_action(ctx, when.args['then'], inner, columns)}")
    using = from_sql.removeprefix(" FROM ")
    return f"MERGE INTO {name} AS {TARGET} USING {using} ON {on} {' '.join(whens)}"


def _action(ctx: Context, then: exp.Expr, scope: Scope, columns: Columns) -> str:
    if isinstance(then, exp.Update):
        return f"UPDATE SET {_sets(ctx, then.expressions, scope, columns)}"
    if isinstance(then, exp.Insert):
        named = then.this.expressions if isinstance(then.this, exp.Tuple) else []
        into = _named([part.name for part in named], columns) if named else list(columns)
        source = then.expression
        if not isinstance(source, exp.Tuple):  # INSERT ROW
            parts = [scope.resolve([name], then) for name, _ in into]
        else:
            parts = [
                Value("NULL", column[1]) if _is_default(part) else compile_expression(ctx, part, scope)
                for part, column in zip(source.expressions, into, strict=True)
            ]
        stored = ", ".join(
            _stored(part, column, then, n) for n, (part, column) in enumerate(zip(parts, into, strict=True), 1)
        )
        return f"INSERT ({_list(into)}) VALUES ({stored})"
    return "DELETE"


_BUILDERS: Final[dict[type[exp.Expr], Callable[[Context, Any, Scope, str, Columns], str]]] = {
    exp.Insert: _insert,
    exp.Delete: _delete,
    exp.Update: _update,
    exp.Merge: _merge,
    exp.TruncateTable: _truncate,
}
