"""ALTER TABLE on DuckDB, one action after the other, and the options of tables.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from nbactl.adapters.duckdb import catalog
from nbactl.adapters.duckdb.catalog import quoted
from nbactl.adapters.duckdb.dialect import translate_query
from nbactl.adapters.duckdb.errors import did_you_mean
from nbactl.adapters.duckdb.values import fetch
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, UnsupportedSqlError
from nbactl.ports.column_types import widens
from nbactl.ports.warehouse import Column

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlglot import exp

    from nbactl.ports.warehouse import ColumnType, TableSchema


def alter_table(cursor: DuckDBPyConnection, tree: exp.Alter) -> str | None:
    """Run ALTER TABLE inside the caller's transaction; returns the table as it is called afterwards."""
    from sqlglot import exp

    table = name_of(tree)
    if tree.args.get("exists") and not catalog.exists(cursor, table):
        return None
    schema, _ = catalog.describe(cursor, table)
    actions = tree.args["actions"]
    if not all(isinstance(action, exp.AlterSet) for action in actions):
        catalog.check_kind(cursor, table)
    for action in actions:
        if isinstance(action, exp.AlterRename):
            table = _rename(cursor, table, action.this.name)
            schema = replace(schema, name=table)
        elif isinstance(action, exp.AlterSet):
            options, also = given_options(cursor, action)
            schema = replace(schema, **options)
            catalog.remember(cursor, schema, **also)
        else:
            schema = _with_columns(cursor, schema, action)
    catalog.remember(cursor, schema)
    return table


def _rename(cursor: DuckDBPyConnection, table: str, name: str) -> str:
    renamed = f"{table.partition('.')[0]}.{name}"
    if catalog.exists(cursor, renamed):
        raise AlreadyExistsError(f"table {renamed} exists already")
    cursor.execute(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(name)}")
    catalog.rename(cursor, table, renamed)
    return renamed


def _with_columns(cursor: DuckDBPyConnection, schema: TableSchema, action: exp.Expr) -> TableSchema:
    """Run an action on a column; returns the schema after it."""
    from sqlglot import exp

    name = action.args["tables"][0].name if isinstance(action, exp.Drop) else action.name
    found = next((column for column in schema.columns if column.name.lower() == name.lower()), None)
    if isinstance(action, exp.ColumnDef):
        return _add(cursor, schema, action, found)
    if found is None:
        if action.args.get("exists"):
            return schema
        known = [column.name for column in schema.columns]
        raise NotFoundError(f"there is no column {name}", next_step=did_you_mean(name, known), details={"column": name})
    if isinstance(action, exp.Drop):
        _check_not_in_key(schema, found, "dropped")
        cursor.execute(f"ALTER TABLE {quoted(schema.name)} DROP COLUMN {quoted(found.name)}")
        return replace(schema, columns=tuple(column for column in schema.columns if column is not found))
    if isinstance(action, exp.AlterColumn):
        changed = _altered(cursor, schema, action, found)
        return replace(schema, columns=tuple(changed if column is found else column for column in schema.columns))
    raise UnsupportedSqlError(f"the local warehouse cannot run ALTER TABLE {action.sql('bigquery')[:60]}")


def _add(cursor: DuckDBPyConnection, schema: TableSchema, action: exp.ColumnDef, found: Column | None) -> TableSchema:
    from sqlglot import exp

    if found is not None:
        if action.args.get("exists"):
            return schema
        raise DataError(f"{schema.name} has a column {found.name} already")
    described = {option.name.lower(): option.args["value"].name for option in action.find_all(exp.Property)}
    required = action.find(exp.NotNullColumnConstraint) is not None
    if required:
        raise DataError(f"required column {action.name} cannot be added to {schema.name}", cause="rows would lack it")
    name, kind = _type(action.args["kind"])
    cursor.execute(f"ALTER TABLE {quoted(schema.name)} ADD COLUMN {quoted(action.name)} {kind}")
    added = Column(action.name, name, description=described.get("description", ""))
    return replace(schema, columns=(*schema.columns, added))


def _altered(cursor: DuckDBPyConnection, schema: TableSchema, action: exp.AlterColumn, found: Column) -> Column:
    from sqlglot import exp

    alter = f"ALTER TABLE {quoted(schema.name)} ALTER COLUMN {quoted(found.name)}"
    if options := action.args.get("options"):
        given = {option.name.lower(): option.args["value"] for option in options}
        text = given.get("description")
        return replace(found, description="" if text is None or isinstance(text, exp.Null) else text.name)
    if action.args.get("dtype") is not None:
        name, kind = _type(action.args["dtype"])
        if name == found.type:
            return found
        _check_not_in_key(schema, found, "given another type")
        if not widens(found.type, name):
            raise DataError(
                f"the type of {schema.name}.{found.name} cannot be changed from {found.type} to {name}",
                cause="Only a wider type of number can be set in place.",
            )
        cursor.execute(f"{alter} SET DATA TYPE {kind}")
        return replace(found, type=name)
    if action.args.get("drop") and action.args.get("allow_null"):
        if not found.required:
            raise DataError(f"{schema.name}.{found.name} does not have a NOT NULL constraint")
        cursor.execute(f"{alter} DROP NOT NULL")
        return replace(found, required=False)
    raise UnsupportedSqlError(f"the local warehouse cannot run ALTER TABLE {action.sql('bigquery')[:60]}")


def _check_not_in_key(schema: TableSchema, column: Column, what: str) -> None:
    if column.name in (schema.partition_by, *schema.cluster_by):
        raise DataError(
            f"column {column.name} of {schema.name} cannot be {what}",
            cause="The table is partitioned or clustered by it.",
        )


def _type(node: exp.DataType) -> tuple[ColumnType, str]:
    """Return a type in BigQuery's and in DuckDB's SQL. Raises DataError for one that is not on the list."""
    from nbactl.adapters.duckdb.sql.expressions import type_of  # noqa: PLC0415 - heavy
    from nbactl.adapters.duckdb.sql.types import duckdb_name  # noqa: PLC0415

    found = type_of(node)
    return cast("ColumnType", str(found)), duckdb_name(found)


def given_options(cursor: DuckDBPyConnection, tree: exp.Expr) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a table: those of its schema, and what else is kept in the catalog."""
    from sqlglot import exp

    found: dict[str, Any] = {}
    also: dict[str, Any] = {}
    for option in tree.find_all(exp.Property):
        value = option.args.get("value")
        if option.find_ancestor(exp.ColumnDef) is not None or not isinstance(value, exp.Expression):
            continue
        none = isinstance(value, exp.Null)
        match option.name.lower():
            case "description":
                found["description"] = "" if none else str(value.name)
            case "partition_expiration_days":
                found["partition_expiration_days"] = None if none else float(value.name)
            case "require_partition_filter":
                found["require_partition_filter"] = isinstance(value, exp.Boolean) and bool(value.this)
            case "expiration_timestamp":
                also["expires_at"] = None if none else _moment(cursor, value)
    return found, also


def _moment(cursor: DuckDBPyConnection, value: exp.Expr) -> str:
    query = translate_query(f"SELECT {value.sql('bigquery')}", {}, lambda _: ())
    return str(fetch(cursor, query, {}).scalar().isoformat())


def without_options(tree: exp.Expr) -> None:
    """Take the options of tables and columns out of a statement."""
    from sqlglot import exp

    for options in list(tree.find_all(exp.Properties)):
        if isinstance(options.parent, exp.ColumnConstraint):
            options.parent.pop()
        else:
            options.pop()


def name_of(tree: exp.Expr) -> str:
    """Return the table that a statement is about. Raises DataError."""
    from sqlglot import exp

    table = tree.find(exp.Table)
    if table is None or not table.db:
        raise DataError("a table is named dataset.table", cause=f"given is: {tree.sql('bigquery')[:80]}")
    return f"{table.db}.{table.name}"
