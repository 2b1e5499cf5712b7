"""BigQuery's data definition statements on DuckDB: what DuckDB lacks is kept in the catalog."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb import catalog
from nbactl.adapters.duckdb.dialect import compiled
from nbactl.errors import DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlglot import exp

    from nbactl.ports.warehouse import TableSchema


def run_statement(cursor: DuckDBPyConnection, sql: str) -> str | None:
    """Run one statement inside the caller's transaction; returns the table that it made or changed.

    Raises DataError for one that defines nothing.
    """
    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.parse import parse  # noqa: PLC0415 - heavy

    tree = parse(sql)
    if not isinstance(tree, (exp.Create, exp.Alter, exp.Drop)):
        raise DataError(
            f"this statement is not a definition: {sql.strip().partition(chr(10))[0][:80]}",
            next_step="apply_ddl takes CREATE, ALTER and DROP.",
        )
    if tree.args.get("kind") != "TABLE":
        _without_options(tree)
        cursor.execute(_translated(cursor, tree, sql))
        return None
    if isinstance(tree, exp.Create):
        return _create_table(cursor, tree, sql)
    if isinstance(tree, exp.Drop):
        table = _name(tree)
        cursor.execute(_translated(cursor, tree, sql))
        catalog.forget(cursor, table)
        return None
    return _alter_table(cursor, tree, sql)


def _translated(cursor: DuckDBPyConnection, tree: exp.Expr, sql: str) -> str:
    """Return a definition in DuckDB's SQL; its query is compiled like any other."""
    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.columns import columns_of  # noqa: PLC0415 - heavy
    from nbactl.adapters.duckdb.sql.expressions import type_of  # noqa: PLC0415 - heavy
    from nbactl.adapters.duckdb.sql.types import duckdb_name  # noqa: PLC0415

    for table in tree.find_all(exp.Table):
        table.set("catalog", None)  # the project: one file is one project
    query = tree.args.get("expression") if isinstance(tree, exp.Create) else None
    body = ""
    if query is not None:
        query.pop()
        body = f" AS {compiled(query, sql, {}, partial(columns_of, cursor)).sql}"
    for column in tree.find_all(exp.ColumnDef):
        if isinstance(column.args.get("kind"), exp.DataType):
            column.set("kind", exp.DataType.build(duckdb_name(type_of(column.args["kind"])), dialect="duckdb"))
    return tree.sql("duckdb") + body


def _create_table(cursor: DuckDBPyConnection, tree: exp.Create, sql: str) -> str:
    table = _name(tree)
    if tree.args.get("exists") and catalog.exists(cursor, table):
        return table
    partition_by, cluster_by = _layout(tree)
    options = _options(tree)
    columns = _column_descriptions(tree)
    _without_options(tree)
    cursor.execute(_translated(cursor, tree, sql))
    catalog.forget(cursor, table)
    schema, _ = catalog.describe(cursor, table)
    described = tuple(replace(column, description=columns.get(column.name, "")) for column in schema.columns)
    schema = replace(schema, columns=described, partition_by=partition_by, cluster_by=cluster_by, **options)
    _check_layout(schema)
    catalog.remember(cursor, schema)
    return table


def _alter_table(cursor: DuckDBPyConnection, tree: exp.Alter, sql: str) -> str:
    from sqlglot import exp

    table = _name(tree)
    options = _options(tree)
    action = tree.args["actions"][0]
    if not isinstance(action, exp.AlterSet):
        cursor.execute(_translated(cursor, tree, sql))
    if isinstance(action, exp.AlterRename):
        renamed = f"{table.partition('.')[0]}.{action.this.name}"
        catalog.rename(cursor, table, renamed)
        return renamed
    after, _ = catalog.describe(cursor, table)
    after = replace(after, **options)
    _check_layout(after)
    catalog.remember(cursor, after)
    return table


def _check_layout(schema: TableSchema) -> None:
    columns = {column.name for column in schema.columns}
    for name in filter(None, (schema.partition_by, *schema.cluster_by)):
        if name not in columns:
            raise DataError(f"{schema.name} is partitioned or clustered by {name}, which is not one of its columns")


def _layout(tree: exp.Create) -> tuple[str | None, tuple[str, ...]]:
    from sqlglot import exp

    partition, cluster = tree.find(exp.PartitionedByProperty), tree.find(exp.ClusterProperty)
    column = partition.find(exp.Identifier) if partition else None
    return column.name if column else None, tuple(part.name for part in cluster.expressions) if cluster else ()


def _options(tree: exp.Expr) -> dict[str, Any]:
    """Return the options of a table that are kept."""
    from sqlglot import exp

    found: dict[str, Any] = {}
    for option in tree.find_all(exp.Property):
        value = option.args.get("value")
        if option.find_ancestor(exp.ColumnDef) is not None or not isinstance(value, exp.Expression):
            continue
        match option.name.lower():
            case "description":
                found["description"] = str(value.name)
            case "partition_expiration_days":
                found["partition_expiration_days"] = None if isinstance(value, exp.Null) else float(value.name)
            case "require_partition_filter":
                found["require_partition_filter"] = isinstance(value, exp.Boolean) and bool(value.this)
    return found


def _column_descriptions(tree: exp.Expr) -> dict[str, str]:
    from sqlglot import exp

    return {
        column.name: option.args["value"].name
        for column in tree.find_all(exp.ColumnDef)
        for option in column.find_all(exp.Property)
        if option.name.lower() == "description"
    }


def _without_options(tree: exp.Expr) -> None:
    from sqlglot import exp

    for options in list(tree.find_all(exp.Properties)):
        if isinstance(options.parent, exp.ColumnConstraint):
            options.parent.pop()
        else:
            options.pop()


def _name(tree: exp.Expr) -> str:
    from sqlglot import exp

    table = tree.find(exp.Table)
    if table is None or not table.db:
        raise DataError("a table is named dataset.table", cause=f"given is: {tree.sql('bigquery')[:80]}")
    return f"{table.db}.{table.name}"
