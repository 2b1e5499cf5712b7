"""ALTER TABLE: all of its actions, or none.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_table_add_column_statement
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.adapters.duckdb.sql.types import duckdb_name, identifier
from nbactl.ports.column_types import widens
from nbactl.testing.bigquery import columns, options, schema
from nbactl.testing.bigquery.errors import ApiError, already_there, invalid_query, wrong_kind
from nbactl.testing.bigquery.names import check_labels

if TYPE_CHECKING:
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.session import Session
    from nbactl.testing.bigquery.store import Table


def run(session: Session, limits: Limits, tree: exp.Alter, node: exp.Table) -> str:
    """Run ALTER TABLE; returns what it did. Raises ApiError."""
    store = session.store
    if tree.args.get("exists") and not store.exists((node.db, node.name)):
        return "SKIP"
    with store.lock:
        table = session.table(node)
        actions = tree.args["actions"]
        if table.kind != "TABLE" and not all(isinstance(action, exp.AlterSet) for action in actions):
            raise wrong_kind(f"{store.project}:{'.'.join(table.name)}", table.kind)
        change = _Change(session, table)
        for action in actions:
            change.add(action)
        limits.metadata_update(table)
        change.apply()
        store.touch(table)
    return "ALTER"


class _Change:
    """What a table is to become, and the engine's statements for it."""

    def __init__(self, session: Session, table: Table) -> None:
        self._session = session
        self._table = table
        self._full = f"{session.store.project}:{'.'.join(table.name)}"
        self._fields = copy.deepcopy(table.fields)
        self._resource = copy.deepcopy(table.resource)
        self._name: str | None = None
        self._statements: list[str] = []

    def add(self, action: exp.Expr) -> None:
        """Take note of an action. Raises ApiError."""
        match action:
            case exp.ColumnDef():
                self._add_column(action)
            case exp.Drop() if action.args.get("kind") == "COLUMN":
                self._drop_column(action)
            case exp.AlterColumn():
                self._alter_column(action)
            case exp.AlterSet():
                changed = options.resource(options.given(self._session, action), self._resource)
                check_labels(changed.get("labels") or {})
                self._resource.update(changed)
            case exp.AlterRename():
                self._rename(action.this.name)
            case _:
                raise ApiError(
                    "notImplemented", f"The test server cannot run ALTER TABLE {action.sql('bigquery')[:40]}"
                )

    def apply(self) -> None:
        """Change the rows and then the metadata."""
        store, table, cursor = self._session.store, self._table, self._session.cursor
        if self._statements:
            cursor.begin()
            try:
                for statement in self._statements:
                    cursor.execute(statement)
                cursor.commit()
            except BaseException:
                cursor.rollback()
                raise
        table.fields[:] = self._fields
        table.resource = self._resource
        if self._name is not None:
            store.rename_table(table, self._name)

    def _find(self, name: str) -> schema.Field | None:
        return next((field for field in self._fields if field["name"].lower() == name.lower()), None)

    def _engine(self, action: str) -> None:
        self._statements.append(f"ALTER TABLE {self._table.sql} {action}")

    def _add_column(self, action: exp.ColumnDef) -> None:
        if self._find(action.name) is not None:
            if action.args.get("exists"):
                return
            raise invalid_query(f"Column already exists: {action.name}")
        added = schema.normalized([columns.declared(action)])[0]
        self._session.store.check_added(self._table, added)
        if self._fields:
            self._engine(f"ADD COLUMN {schema.declared(added)}")
        else:
            self._statements.append(f"CREATE OR REPLACE TABLE {self._table.sql} ({schema.declared(added)})")
        self._fields.append(added)

    def _drop_column(self, action: exp.Drop) -> None:
        name = action.args["tables"][0].name
        field = self._find(name)
        if field is None:
            if action.args.get("exists"):
                return
            raise invalid_query(f"Column not found: {name}")
        self._check_not_in_key("drop", field)
        self._engine(f"DROP COLUMN {identifier(field['name'])}")
        self._fields.remove(field)

    def _check_not_in_key(self, verb: str, field: schema.Field) -> None:
        clustering = (self._resource.get("clustering") or {}).get("fields", ())
        key = [name.lower() for name in (self._table.partition_field, *clustering) if name]
        if field["name"].lower() in key:
            raise invalid_query(f"Cannot {verb} column {field['name']}: the table is partitioned or clustered by it")

    def _alter_column(self, action: exp.AlterColumn) -> None:
        field = self._find(action.name)
        if field is None:
            if action.args.get("exists"):
                return
            raise invalid_query(f"Column not found: {action.name}")
        name = identifier(field["name"])
        if given := action.args.get("options"):
            columns.described(field, given)
        elif action.args.get("dtype") is not None:
            self._retype(field, action.args["dtype"])
        elif action.args.get("drop") and action.args.get("allow_null"):
            if field["mode"] != "REQUIRED":
                raise invalid_query(f"Column {field['name']} does not have a NOT NULL constraint")
            field["mode"] = "NULLABLE"
            self._engine(f"ALTER COLUMN {name} DROP NOT NULL")
        else:
            raise ApiError("notImplemented", f"The test server cannot run {action.sql('bigquery')[:40]}")

    def _retype(self, field: schema.Field, wanted: exp.DataType) -> None:
        new = schema.normalized([columns.typed(field["name"], wanted)])[0]
        old_name, new_name = schema.standard_name(field), schema.standard_name(new)
        if old_name == new_name:
            return
        self._check_not_in_key("change the type of", field)
        if not widens(old_name, new_name):
            raise invalid_query(
                f"ALTER TABLE ALTER COLUMN SET DATA TYPE requires that the existing column type ({old_name}) is "
                f"assignable to the new type ({new_name})"
            )
        old, kind = schema.type_of(field), schema.type_of(new)
        if kind != old:
            self._engine(f"ALTER COLUMN {identifier(field['name'])} SET DATA TYPE {duckdb_name(kind)}")
        for size in schema.SIZE_KEYS:
            field.pop(size, None)
        field.update({key: value for key, value in new.items() if key == "type" or key in schema.SIZE_KEYS})

    def _rename(self, name: str) -> None:
        """https://cloud.google.com/bigquery/docs/managing-tables#renaming-table."""
        store, table = self._session.store, self._table
        if table.buffered(self._session.now):
            raise invalid_query(f"Table {self._full} cannot be renamed: it has data in the streaming buffer")
        if store.exists((table.name[0], name)):
            raise already_there("Table", f"{store.project}:{table.name[0]}.{name}")
        self._name = name
