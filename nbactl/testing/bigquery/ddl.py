"""CREATE, ALTER and DROP of datasets, tables and views.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.adapters.duckdb.sql.definitions import SNAPSHOT
from nbactl.adapters.duckdb.sql.types import duckdb_name, identifier
from nbactl.testing.bigquery import alter, clones, columns, layout, options, schema
from nbactl.testing.bigquery.errors import ApiError, invalid_query, wrong_kind
from nbactl.testing.bigquery.session import TEMP, Session, result_columns
from nbactl.testing.bigquery.store import ALL, Table

if TYPE_CHECKING:
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Name

_TYPES: Final = {"TABLE": "TABLE", "VIEW": "VIEW", SNAPSHOT: "SNAPSHOT"}
"""What DROP of a kind takes, as the service calls the types of tables."""


def statement_type(tree: exp.Expr) -> str:
    """Return how a job calls such a statement: CREATE_TABLE_AS_SELECT, ALTER_TABLE or DROP_SCHEMA."""
    verb = type(tree).__name__.upper()
    kind = str(tree.args.get("kind") or "TABLE")
    kind = kind.replace(" ", "_")
    suffix = "_AS_SELECT" if verb == "CREATE" and kind == "TABLE" and tree.args.get("expression") is not None else ""
    return f"{verb}_{kind}{suffix}"


def target(tree: exp.Expr) -> exp.Table:
    """Return the table, view or dataset that a statement defines."""
    if isinstance(tree, exp.Drop):
        found = tree.args["tables"][0]
    else:
        found = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(found, exp.Table):
        raise invalid_query("a table is expected")
    return found


def run(session: Session, limits: Limits, tree: exp.Expr, sql: str) -> str:
    """Run a definition; returns what it did: CREATE, REPLACE, ALTER, DROP or SKIP. Raises ApiError."""
    node = target(tree)
    kind = str(tree.args.get("kind") or "TABLE")
    if session.transaction is not None and session.transaction.explicit and node.db != TEMP:
        raise invalid_query(f"{statement_type(tree)} is not supported in a multi-statement transaction")
    if kind == "SCHEMA":
        return _schema(session, tree, node)
    if isinstance(tree, exp.Create) and tree.args.get("clone") is not None:
        return clones.create(session, tree, node)
    if isinstance(tree, exp.Create) and kind in ("TABLE", "VIEW"):
        return _create(session, tree, node, sql)
    if isinstance(tree, exp.Drop) and kind in _TYPES:
        return _drop(session, tree, node, _TYPES[kind])
    if isinstance(tree, exp.Alter) and kind == "TABLE":
        return alter.run(session, limits, tree, node)
    raise ApiError("notImplemented", f"The test server cannot run {statement_type(tree)}")


def _schema(session: Session, tree: exp.Expr, node: exp.Table) -> str:
    store, name = session.store, node.db
    if isinstance(tree, exp.Create):
        if name in store.datasets and tree.args.get("exists"):
            return "SKIP"
        given = options.given(session, tree)
        location = tree.find(exp.LocationProperty)
        store.create_dataset(name, _dataset_resource(given), location.this.name if location else session.location)
        return "CREATE"
    if isinstance(tree, exp.Drop):
        if name not in store.datasets and tree.args.get("exists"):
            return "SKIP"
        store.dataset(name, session.location)
        store.drop_dataset(name, contents=bool(tree.args.get("cascade")))
        return "DROP"
    raise ApiError("notImplemented", "The test server cannot run ALTER SCHEMA")


def _dataset_resource(given: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {key: given[key] for key in ("description", "labels") if key in given}
    if "default_table_expiration_days" in given:
        known["defaultTableExpirationMs"] = str(int(float(given["default_table_expiration_days"]) * options.DAY_MS))
    return known


def _create(session: Session, tree: exp.Create, node: exp.Table, sql: str) -> str:
    store, name = session.store, (node.db, node.name)
    temporary = node.db == TEMP
    there = node.name in session.temporary if temporary else store.exists(name)
    if there and tree.args.get("exists"):
        return "SKIP"
    if there and not tree.args.get("replace"):
        raise ApiError("duplicate", f"Already Exists: Table {store.project}:{node.db}.{node.name}")
    if not temporary:
        store.dataset(node.db, session.location)
    resource = _layout(session, tree)
    source = tree.args.get("expression")
    if str(tree.args.get("kind")) == "VIEW" and source is not None:
        return _create_view(session, node, source, sql, resource, replace=there)
    fields = _fields(session, tree, node, resource)
    rows: str | None = None
    bound: dict[str, Any] = {}
    if source is not None:
        fields, rows, bound = _selected(session, source, sql, fields)
    if temporary:
        _create_temporary(session, node.name, fields, rows, bound)
        return "REPLACE" if there else "CREATE"
    if rows is not None:  # computed first: CREATE OR REPLACE TABLE t AS SELECT … FROM t reads the old rows
        session.cursor.execute("DROP TABLE IF EXISTS temp._created")
        session.cursor.execute(f"CREATE TEMP TABLE _created AS {rows}", bound)
    if there:
        layout.check(Table(name, schema.normalized(fields), store.clock.now(), store.clock.now(), resource))
        store.drop_table(store.table(name))
    made = store.create_table(name, fields, resource)
    if rows is not None:
        session.cursor.execute(f"INSERT INTO {made.sql} SELECT * FROM temp._created")
        session.cursor.execute("DROP TABLE temp._created")
        store.touch(made, [ALL])
    return "REPLACE" if there else "CREATE"


def _selected(
    session: Session, source: exp.Query, sql: str, fields: list[schema.Field]
) -> tuple[list[schema.Field], str, dict[str, Any]]:
    """Return the columns of CREATE TABLE AS SELECT, the engine's query for its rows, and the query's parameters."""
    query, ctx = session.query(source, sql)
    listed, names = result_columns(query)
    if any(column.anonymous for column in query.columns):
        raise invalid_query("CREATE TABLE columns must be named, but some columns of its query are not")
    fields = fields or [schema.field_of(column, kind) for column, kind in listed]
    cast = ", ".join(
        f"CAST({identifier(own)} AS {duckdb_name(schema.type_of(field))}) AS {identifier(field['name'])}"
        for own, field in zip(names, fields, strict=True)
    )
    return fields, f"SELECT {cast} FROM ({query.sql})", session.bound(ctx)


def _create_temporary(
    session: Session, name: str, fields: list[schema.Field], rows: str | None, bound: dict[str, Any]
) -> None:
    fields = schema.normalized(fields)
    at = f'temp."{name}"'
    if rows is None:
        listed = ", ".join(schema.declared(field) for field in fields)
        session.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} ({listed})")
    else:
        session.cursor.execute("DROP TABLE IF EXISTS temp._created")
        session.cursor.execute(f"CREATE TEMP TABLE _created AS {rows}", bound)
        session.cursor.execute(f"DROP TABLE IF EXISTS {at}")
        session.cursor.execute(f"ALTER TABLE temp._created RENAME TO {identifier(name)}")
    session.temporary[name] = fields


def _create_view(
    session: Session, node: exp.Table, source: exp.Query, sql: str, resource: dict[str, Any], *, replace: bool
) -> str:
    store, name = session.store, (node.db, node.name)
    text = source.sql("bigquery")
    query, _ = session.query(source, sql)
    found, names = result_columns(query)
    listed = ", ".join(
        f"{identifier(own)} AS {identifier(column)}" for own, (column, _) in zip(names, found, strict=True)
    )
    if replace:
        store.drop_table(store.table(name))
    resource["view"] = {"query": text, "useLegacySql": False}
    made = store.create_table(name, [schema.field_of(column, kind) for column, kind in found], resource)
    session.cursor.execute(f"CREATE VIEW {made.sql} AS SELECT {listed} FROM ({query.sql})")
    return "REPLACE" if replace else "CREATE"


def _drop(session: Session, tree: exp.Drop, node: exp.Table, kind: str) -> str:
    if node.db == TEMP:
        session.cursor.execute(f"DROP TABLE temp.{identifier(node.name)}")
        del session.temporary[node.name]
        return "DROP"
    name = (node.db, node.name)
    if tree.args.get("exists") and not session.store.exists(name):
        return "SKIP"
    table = session.store.table(name, session.location)
    if table.kind != kind:
        raise wrong_kind(f"{session.store.project}:{'.'.join(name)}", table.kind)
    session.store.drop_table(table)
    return "DROP"


def _fields(session: Session, tree: exp.Create, node: exp.Table, resource: dict[str, Any]) -> list[schema.Field]:
    """Return the columns that are declared; those of LIKE come with their table's layout."""
    if isinstance(tree.this, exp.Schema):
        for part in tree.this.expressions:
            if not isinstance(part, exp.ColumnDef):
                raise ApiError("notImplemented", f"The test server does not know {part.sql('bigquery')} of a table")
        return [columns.declared(part) for part in tree.this.expressions]
    like = tree.find(exp.LikeProperty)
    if like is None:
        return []
    copied = session.store.table((like.this.db, like.this.name), session.location)
    if node.db != TEMP:
        resource.update({key: value for key, value in copy.deepcopy(copied.resource).items() if key not in resource})
    return copy.deepcopy(copied.fields)


def _layout(session: Session, tree: exp.Create) -> dict[str, Any]:
    resource: dict[str, Any] = {}
    partition = tree.find(exp.PartitionedByProperty)
    if partition is not None:
        column = partition.find(exp.Column) or partition.find(exp.Identifier)
        words = partition.this.sql("bigquery").upper()
        kind = next((unit for unit in ("HOUR", "MONTH", "YEAR") if words.endswith(f", {unit})")), "DAY")
        resource["timePartitioning"] = {"type": kind, "field": column.name if column else None}
    cluster = tree.find(exp.ClusterProperty)
    if cluster is not None:
        resource["clustering"] = {"fields": [part.name for part in cluster.expressions]}
    return resource | options.resource(options.given(session, tree), resource)


def changed(tree: exp.Expr) -> Name:
    """Return dataset and table that a definition is about."""
    node = target(tree)
    return node.db, node.name
