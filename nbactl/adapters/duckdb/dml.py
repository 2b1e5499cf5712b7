"""BigQuery's INSERT, UPDATE, DELETE and MERGE on DuckDB."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb import catalog, versions
from nbactl.adapters.duckdb.catalog import quoted
from nbactl.adapters.duckdb.values import bind, parameter_types
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from duckdb import DuckDBPyConnection
    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.context import Context
    from nbactl.adapters.duckdb.sql.scope import Scope
    from nbactl.ports.warehouse import TableSchema


def run_change(cursor: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None, now: datetime) -> int:
    """Run one statement inside the caller's transaction; returns how many rows it changed. Raises DataError."""
    from nbactl.adapters.duckdb.sql import dml  # noqa: PLC0415 - heavy
    from nbactl.adapters.duckdb.sql.columns import columns_of  # noqa: PLC0415
    from nbactl.adapters.duckdb.sql.parse import parse  # noqa: PLC0415

    tree = parse(sql)
    if dml.KINDS.get(type(tree), "TRUNCATE_TABLE") == "TRUNCATE_TABLE":
        raise DataError(
            f"this statement does not change rows: {sql.strip().partition(chr(10))[0][:80]}",
            next_step="run_dml takes INSERT, UPDATE, DELETE and MERGE.",
        )
    node = dml.target(tree)
    if not node.db:
        raise DataError("a table is named dataset.table", cause=f"given is: {node.sql('bigquery')[:80]}")
    table = f"{node.db}.{node.name}"
    schema, _ = catalog.describe(cursor, table)
    catalog.check_kind(cursor, table)
    run = partial(_compiled, cursor, sql, parameters)
    columns = columns_of(cursor, table)
    doubles, bound = run(lambda ctx, scope: dml.double_matches(ctx, tree, scope, quoted(table), columns) or "")
    if doubles and cursor.execute(doubles, bound).fetchone() is not None:
        raise DataError(dml.DOUBLE_MATCH)
    change, bound = run(lambda ctx, scope: dml.compile_change(ctx, tree, scope, quoted(table), columns))
    cursor.execute(f"{change} RETURNING {_day(schema)}", bound)
    days = cursor.fetchall()
    catalog.touch(cursor, table, now)
    versions.record(cursor, schema, _changed(tree, schema, days), now)
    return len(days)


def _compiled(
    cursor: DuckDBPyConnection,
    sql: str,
    parameters: Mapping[str, Any] | None,
    build: Callable[[Context, Scope], str],
) -> tuple[str, dict[str, Any]]:
    """Return a statement in DuckDB's SQL and the parameters that it names."""
    from nbactl.adapters.duckdb.sql.columns import columns_of  # noqa: PLC0415 - heavy
    from nbactl.adapters.duckdb.sql.context import Context  # noqa: PLC0415
    from nbactl.adapters.duckdb.sql.query import compile_query  # noqa: PLC0415
    from nbactl.adapters.duckdb.sql.scope import Scope  # noqa: PLC0415

    ctx = Context(partial(columns_of, cursor), parameter_types(parameters), compile_query, sql)
    text = build(ctx, Scope())
    return text, bind(parameters, frozenset(ctx.used_parameters))


def _day(schema: TableSchema) -> str:
    return "NULL" if schema.partition_by is None else f"CAST({quoted(schema.partition_by)} AS DATE)"


def _changed(tree: exp.Expr, schema: TableSchema, days: list[tuple[date | None]]) -> set[date] | None:
    """Return the partitions that rows were changed in, None if rows may have left others."""
    from sqlglot import exp

    sets = [part.this.name for part in tree.expressions] if isinstance(tree, exp.Update) else []
    if isinstance(tree, exp.Merge) or schema.partition_by in sets:
        return None
    return {day for (day,) in days if day is not None}
