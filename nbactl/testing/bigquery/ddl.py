"""CREATE, ALTER and DROP of datasets, tables and views.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server
from sqlglot.errors import SqlglotError  # noqa: TID253 - as above

from nbactl.adapters.duckdb.sql.expressions import type_of
from nbactl.adapters.duckdb.sql.types import duckdb_name, identifier
from nbactl.errors import NbactlError
from nbactl.testing.bigquery import schema
from nbactl.testing.bigquery.errors import ApiError, invalid_query, of_translation
from nbactl.testing.bigquery.names import check_labels
from nbactl.testing.bigquery.session import TEMP, Session, result_columns
from nbactl.testing.bigquery.store import ALL, Table, millis

if TYPE_CHECKING:
    from nbactl.adapters.duckdb.sql.types import Type
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Name

_DAY_MS: Final = 86_400_000


def statement_type(tree: exp.Expr) -> str:
    """Return how a job calls such a statement: CREATE_TABLE_AS_SELECT, ALTER_TABLE or DROP_SCHEMA."""
    verb = type(tree).__name__.upper()
    kind = str(tree.args.get("kind") or "TABLE")
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
    if isinstance(tree, exp.Create) and kind in ("TABLE", "VIEW"):
        return _create(session, tree, node, sql)
    if isinstance(tree, exp.Drop) and kind in ("TABLE", "VIEW"):
        return _drop(session, tree, node)
    if isinstance(tree, exp.Alter) and kind == "TABLE":
        return _alter(session, limits, tree, node)
    raise ApiError("notImplemented", f"The test server cannot run {statement_type(tree)}")


def _schema(session: Session, tree: exp.Expr, node: exp.Table) -> str:
    store, name = session.store, node.db
    if isinstance(tree, exp.Create):
        if name in store.datasets and tree.args.get("exists"):
            return "SKIP"
        options = _options(session, tree)
        location = tree.find(exp.LocationProperty)
        store.create_dataset(name, _dataset_resource(options), location.this.name if location else session.location)
        return "CREATE"
    if isinstance(tree, exp.Drop):
        if name not in store.datasets and tree.args.get("exists"):
            return "SKIP"
        store.dataset(name, session.location)
        store.drop_dataset(name, contents=bool(tree.args.get("cascade")))
        return "DROP"
    raise ApiError("notImplemented", "The test server cannot run ALTER SCHEMA")


def _dataset_resource(options: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {key: options[key] for key in ("description", "labels") if key in options}
    if "default_table_expiration_days" in options:
        known["defaultTableExpirationMs"] = str(int(float(options["default_table_expiration_days"]) * _DAY_MS))
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
        store.check_layout(Table(name, schema.normalized(fields), store.clock.now(), store.clock.now(), resource))
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
    columns, names = result_columns(query)
    if any(column.anonymous for column in query.columns):
        raise invalid_query("CREATE TABLE columns must be named, but some columns of its query are not")
    fields = fields or [schema.field_of(column, kind) for column, kind in columns]
    listed = ", ".join(
        f"CAST({identifier(own)} AS {duckdb_name(schema.type_of(field))}) AS {identifier(field['name'])}"
        for own, field in zip(names, fields, strict=True)
    )
    return fields, f"SELECT {listed} FROM ({query.sql})", session.bound(ctx)


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
    columns, names = result_columns(query)
    listed = ", ".join(
        f"{identifier(own)} AS {identifier(column)}" for own, (column, _) in zip(names, columns, strict=True)
    )
    if replace:
        store.drop_table(store.table(name))
    resource["view"] = {"query": text, "useLegacySql": False}
    made = store.create_table(name, [schema.field_of(column, kind) for column, kind in columns], resource)
    session.cursor.execute(f"CREATE VIEW {made.sql} AS SELECT {listed} FROM ({query.sql})")
    return "REPLACE" if replace else "CREATE"


def _drop(session: Session, tree: exp.Drop, node: exp.Table) -> str:
    if node.db == TEMP:
        session.cursor.execute(f"DROP TABLE temp.{identifier(node.name)}")
        del session.temporary[node.name]
        return "DROP"
    name = (node.db, node.name)
    if tree.args.get("exists") and not session.store.exists(name):
        return "SKIP"
    session.store.drop_table(session.store.table(name, session.location))
    return "DROP"


def _alter(session: Session, limits: Limits, tree: exp.Alter, node: exp.Table) -> str:
    store = session.store
    if tree.args.get("exists") and not store.exists((node.db, node.name)):
        return "SKIP"
    table = session.table(node)
    limits.metadata_update(table)
    known = {name.lower() for name, _ in table.columns}
    for action in tree.args["actions"]:
        if isinstance(action, exp.ColumnDef):
            if action.name.lower() not in known:
                store.add_fields(table, [_field(action)])
            elif not action.args.get("exists"):
                raise invalid_query(f"Column already exists: {action.name}")
        elif isinstance(action, exp.AlterSet):
            changes = _resource(_options(session, action), table.resource)
            check_labels(changes.get("labels") or {})
            table.resource.update(changes)
        elif isinstance(action, exp.AlterRename):
            store.rename_table(table, action.this.name)
        elif isinstance(action, exp.Drop) and action.args.get("kind") == "COLUMN":
            _drop_column(session, table, action)
        else:
            raise ApiError("notImplemented", f"The test server cannot run ALTER TABLE {action.sql('bigquery')[:40]}")
    store.touch(table)
    return "ALTER"


def _drop_column(session: Session, table: Table, action: exp.Drop) -> None:
    name = action.args["tables"][0].name.lower()
    kept = [field for field in table.fields if field["name"].lower() != name]
    if len(kept) == len(table.fields):
        if action.args.get("exists"):
            return
        raise invalid_query(f"Column not found: {name}")
    used = [table.partition_field, *(table.resource.get("clustering") or {}).get("fields", ())]
    if name in [column.lower() for column in used if column]:
        raise invalid_query(f"Cannot drop column {name}: the table is partitioned or clustered by it")
    session.cursor.execute(f"ALTER TABLE {table.sql} DROP COLUMN {identifier(name)}")
    table.fields[:] = kept


def _fields(session: Session, tree: exp.Create, node: exp.Table, resource: dict[str, Any]) -> list[schema.Field]:
    """Return the columns that are declared; those of LIKE come with their table's layout."""
    if isinstance(tree.this, exp.Schema):
        for part in tree.this.expressions:
            if not isinstance(part, exp.ColumnDef):
                raise ApiError("notImplemented", f"The test server does not know {part.sql('bigquery')} of a table")
        return [_field(part) for part in tree.this.expressions]
    if tree.args.get("clone"):
        raise ApiError("notImplemented", "The test server does not know CLONE and COPY")
    like = tree.find(exp.LikeProperty)
    if like is None:
        return []
    copied = session.store.table((like.this.db, like.this.name), session.location)
    if node.db != TEMP:
        resource.update({key: value for key, value in copy.deepcopy(copied.resource).items() if key not in resource})
    return copy.deepcopy(copied.fields)


def written_type(text: str) -> Type:
    """Return a type by its text, such as ARRAY<STRUCT<a INT64>>. Raises ApiError."""
    try:
        kind = exp.DataType.build(text, dialect="bigquery")
    except SqlglotError:
        raise invalid_query(f"Syntax error: Unexpected type {text}") from None
    return schema.type_of(schema.normalized([_typed("", kind)])[0])


def _field(column: exp.ColumnDef) -> schema.Field:
    field = _typed(column.name, column.args["kind"])
    for constraint in column.args.get("constraints") or ():
        kind = constraint.args.get("kind")
        options = kind.expressions if isinstance(kind, exp.Properties) else []
        if isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"):
            field["mode"] = "REQUIRED"
        elif options and all(option.name.lower() == "description" for option in options):
            field["description"] = options[0].args["value"].name
        else:
            raise ApiError("notImplemented", f"The test server does not know {constraint.sql('bigquery')} of a column")
    return field


def _typed(name: str, kind: exp.DataType) -> schema.Field:
    written = kind.this.name if not isinstance(kind.this, str) else kind.this
    if written == "ARRAY":
        return {**_typed(name, kind.expressions[0]), "mode": "REPEATED"}
    field: schema.Field = {"name": name, "mode": "NULLABLE"}
    if written == "STRUCT":
        return {**field, "type": "RECORD", "fields": [_field(part) for part in kind.expressions]}
    try:
        return {**field, "type": type_of(kind).kind}
    except NbactlError as error:
        raise of_translation(error) from error


def _layout(session: Session, tree: exp.Create) -> dict[str, Any]:
    resource = _resource(_options(session, tree), {})
    partition = tree.find(exp.PartitionedByProperty)
    if partition is not None:
        column = partition.find(exp.Column) or partition.find(exp.Identifier)
        words = partition.this.sql("bigquery").upper()
        kind = next((unit for unit in ("HOUR", "MONTH", "YEAR") if words.endswith(f", {unit})")), "DAY")
        resource["timePartitioning"] = {"type": kind, "field": column.name if column else None}
        if "_expiration_ms" in resource:
            resource["timePartitioning"]["expirationMs"] = resource.pop("_expiration_ms")
    cluster = tree.find(exp.ClusterProperty)
    if cluster is not None:
        resource["clustering"] = {"fields": [part.name for part in cluster.expressions]}
    return resource


def _options(session: Session, tree: exp.Expr) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in tree.find_all(exp.Property):
        if option.find_ancestor(exp.ColumnDef) is not None or not isinstance(option.args.get("value"), exp.Expression):
            continue
        if isinstance(option, (exp.TemporaryProperty, exp.LikeProperty, exp.LocationProperty)):
            continue
        name, value = option.name.lower(), option.args["value"]
        if name == "labels":
            pairs = [[part.name for part in pair.expressions] for pair in value.expressions]
            found[name] = dict(pairs)
        else:
            _, found[name] = session.value(value.sql("bigquery"))
    return found


def _resource(options: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    names = {"description": "description", "friendly_name": "friendlyName", "labels": "labels"}
    names["require_partition_filter"] = "requirePartitionFilter"
    resource = {names[key]: value for key, value in options.items() if key in names}
    if "expiration_timestamp" in options:
        at = options["expiration_timestamp"]
        resource["expirationTime"] = millis(_utc(at)) if at is not None else None
    if "partition_expiration_days" in options:
        expiration = str(int(float(options["partition_expiration_days"]) * _DAY_MS))
        if now.get("timePartitioning"):
            resource["timePartitioning"] = {**now["timePartitioning"], "expirationMs": expiration}
        else:
            resource["_expiration_ms"] = expiration
    if odd := sorted(
        options.keys()
        - names.keys()
        - {"expiration_timestamp", "partition_expiration_days", "default_table_expiration_days"}
    ):
        raise invalid_query(f"Unknown option: {odd[0]}")
    return resource


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def changed(tree: exp.Expr) -> Name:
    """Return dataset and table that a definition is about."""
    node = target(tree)
    return node.db, node.name
