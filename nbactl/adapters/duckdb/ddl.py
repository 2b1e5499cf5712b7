"""BigQuery's data definition statements on DuckDB: what DuckDB lacks is kept in the catalog."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb import catalog
from nbactl.adapters.duckdb.alter import alter_table, given_options, name_of, without_options
from nbactl.adapters.duckdb.catalog import quoted
from nbactl.adapters.duckdb.dialect import compiled
from nbactl.adapters.duckdb.sql.definitions import SNAPSHOT
from nbactl.errors import AlreadyExistsError, DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlglot import exp


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
    if tree.args.get("kind") not in ("TABLE", SNAPSHOT):
        without_options(tree)
        cursor.execute(_translated(cursor, tree, sql))
        return None
    if isinstance(tree, exp.Create):
        return _clone_table(cursor, tree) if tree.args.get("clone") else _create_table(cursor, tree, sql)
    if isinstance(tree, exp.Drop):
        _drop_table(cursor, tree, sql)
        return None
    return alter_table(cursor, tree)


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
    table = name_of(tree)
    if tree.args.get("exists") and catalog.exists(cursor, table):
        return table
    layout = _layout(tree)
    options, also = given_options(cursor, tree)
    columns = _column_descriptions(tree)
    without_options(tree)
    cursor.execute(_translated(cursor, tree, sql))
    catalog.forget(cursor, table)
    schema, _ = catalog.describe(cursor, table)
    described = tuple(replace(column, description=columns.get(column.name, "")) for column in schema.columns)
    schema = replace(schema, columns=described, **layout, **options)
    catalog.check_layout(schema)
    catalog.remember(cursor, schema, **also)
    return table


def _clone_table(cursor: DuckDBPyConnection, tree: exp.Create) -> str:
    """Make a snapshot, a clone or a copy. What expires is noted, and nothing expires here."""
    table, base = name_of(tree), name_of(tree.args["clone"])
    snapshot = tree.args["kind"] == SNAPSHOT
    schema, _ = catalog.describe(cursor, base)
    if snapshot:
        catalog.check_kind(cursor, base)
    if catalog.exists(cursor, table):
        if tree.args.get("exists"):
            return table
        if not tree.args.get("replace"):
            raise AlreadyExistsError(f"table {table} exists already")
        cursor.execute(f"DROP TABLE {quoted(table)}")
    options, also = given_options(cursor, tree)
    found = catalog.duckdb_columns(cursor, base)
    columns = ", ".join(f"{quoted(name)} {kind}{' NOT NULL' if required else ''}" for name, kind, required in found)
    cursor.execute(f"CREATE TABLE {quoted(table)} ({columns})")
    cursor.execute(f"INSERT INTO {quoted(table)} SELECT * FROM {quoted(base)}")
    catalog.forget(cursor, table)
    catalog.remember(cursor, replace(schema, name=table, **options), kind="snapshot" if snapshot else "table", **also)
    return table


def _drop_table(cursor: DuckDBPyConnection, tree: exp.Drop, sql: str) -> None:
    table = name_of(tree)
    snapshot = tree.args["kind"] == SNAPSHOT
    if catalog.exists(cursor, table):
        catalog.check_kind(cursor, table, "snapshot" if snapshot else "table")
    tree.set("kind", "TABLE")
    cursor.execute(_translated(cursor, tree, sql))
    catalog.forget(cursor, table)


def _layout(tree: exp.Create) -> dict[str, Any]:
    from sqlglot import exp

    partition, cluster = tree.find(exp.PartitionedByProperty), tree.find(exp.ClusterProperty)
    column = partition.find(exp.Identifier) if partition else None
    found: dict[str, Any] = {"cluster_by": tuple(part.name for part in cluster.expressions) if cluster else ()}
    if partition is not None and column is not None:
        words = partition.this.sql("bigquery").upper()
        unit = next((unit for unit in ("HOUR", "MONTH", "YEAR") if words.endswith(f", {unit})")), "DAY")
        found |= {"partition_by": column.name, "partition_unit": unit}
    return found


def _column_descriptions(tree: exp.Expr) -> dict[str, str]:
    from sqlglot import exp

    return {
        column.name: option.args["value"].name
        for column in tree.find_all(exp.ColumnDef)
        for option in column.find_all(exp.Property)
        if option.name.lower() == "description"
    }
