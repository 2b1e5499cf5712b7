"""What the server keeps: datasets, tables with their metadata, and the engine that holds the rows.

Metadata are kept beside the rows, in the schema `nbactl_bigquery`, so that a file that is opened again has them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.types import identifier
from nbactl.testing.bigquery import layout, names, schema
from nbactl.testing.bigquery.errors import ApiError, already_there, not_found, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbactl.adapters.duckdb.sql.types import Type
    from nbactl.core._support.clock import Clock
    from nbactl.testing.bigquery.clustering import Block
    from nbactl.testing.bigquery.partitions import Partition

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "python_enable_replacements": "false",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": 1,
}
_INTERNAL: Final = "nbactl_bigquery"
_BUFFERED: Final = timedelta(minutes=30)
ALL: Final = "*"
"""All partitions of a table."""
Name = tuple[str, str]
"""Dataset and table."""


def millis(moment: datetime) -> str:
    """Return an instant as the REST API writes it: milliseconds since 1970, as text."""
    return str(int(moment.timestamp() * 1000))


@dataclass
class Dataset:
    """A dataset. `resource` holds what a client set: description, labels, default expiration."""

    name: str
    location: str
    created: datetime
    modified: datetime
    resource: dict[str, Any] = field(default_factory=dict)
    version: int = 1


@dataclass
class Table:
    """A table or view. `resource` holds what a client set: description, labels, partitioning, clustering, view."""

    name: Name
    fields: list[schema.Field]
    created: datetime
    modified: datetime
    resource: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    streamed: list[datetime] = field(default_factory=list)
    partitions: dict[str, datetime] = field(default_factory=dict)
    """When the rows of a partition were changed last."""
    counted: tuple[int, list[Partition]] | None = field(default=None, repr=False)
    """The partitions that a version of the table had."""
    generations: list[list[str]] = field(default_factory=list)
    """The clustering columns that the table had one after the other, if it had several (clustering.py)."""
    blocks: tuple[tuple[int, int], list[Block]] | None = field(default=None, repr=False)
    """The blocks of so many rows that a version of the table had."""

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        return "view" in self.resource

    @property
    def kind(self) -> str:
        """Its type, as tables.get names it: TABLE, VIEW or SNAPSHOT."""
        return "VIEW" if self.is_view else "SNAPSHOT" if "snapshotDefinition" in self.resource else "TABLE"

    @property
    def sql(self) -> str:
        """Its name in the engine's SQL."""
        return f"{identifier(self.name[0])}.{identifier(self.name[1])}"

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        """Names and types of its columns."""
        return schema.columns(self.fields)

    @property
    def etag(self) -> str:
        """Changes with every change of the metadata or the rows."""
        text = f"{self.name}/{self.version}/{self.modified.isoformat()}/{self.created.isoformat()}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def buffered(self, now: datetime) -> int:
        """Return how many rows are in the streaming buffer: those that came within the last half hour."""
        self.streamed = [at for at in self.streamed if now - at < _BUFFERED]
        return len(self.streamed)

    @property
    def partition_field(self) -> str | None:
        """The column that the table is partitioned by."""
        return (self.resource.get("timePartitioning") or {}).get("field")

    @property
    def expires(self) -> datetime | None:
        """When the table is gone."""
        written = self.resource.get("expirationTime")
        return datetime.fromtimestamp(int(written) / 1000, UTC) if written else None


class Store:
    """Datasets and tables of one project. Metadata are read and changed under `lock`."""

    def __init__(self, project: str, location: str, clock: Clock, folder: Path | None) -> None:
        import duckdb

        self.project, self.location, self.clock = project, location, clock
        self.lock = threading.RLock()
        self.datasets: dict[str, Dataset] = {}
        self.tables: dict[Name, Table] = {}
        self._durable = folder is not None
        path = ":memory:"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            path = str(folder / f"{project}.duckdb")
        self.connection: DuckDBPyConnection = duckdb.connect(path, config=_SETTINGS)
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        if self._durable:
            self._read()

    def cursor(self) -> DuckDBPyConnection:
        """Return a session of its own, with its own transaction and temporary tables."""
        with self.lock:
            return self.connection.cursor()

    def close(self) -> None:
        """Close the engine."""
        self.connection.close()

    def dataset(self, name: str, location: str | None = None) -> Dataset:
        """Return a dataset. Raises ApiError; one in another location is not found, as a job there cannot see it."""
        found = self.datasets.get(name)
        if found is None or (location is not None and found.location.lower() != location.lower()):
            raise not_found("Dataset", f"{self.project}:{name}", location)
        return found

    def table(self, name: Name, location: str | None = None) -> Table:
        """Return a table. Raises ApiError if there is none, or it has expired."""
        with self.lock:
            self.dataset(name[0], location)
            found = self.tables.get(name)
            if found is not None and found.expires is not None and found.expires <= self.clock.now():
                self.drop_table(found)
                found = None
            if found is None:
                raise not_found("Table", f"{self.project}:{name[0]}.{name[1]}", location)
            return found

    def check_writable(self, table: Table) -> None:
        """Raise ApiError for a snapshot: its rows cannot be changed."""
        if table.kind == "SNAPSHOT":
            raise wrong_kind(f"{self.project}:{'.'.join(table.name)}", table.kind)

    def exists(self, name: Name) -> bool:
        """Say whether there is a table that has not expired."""
        try:
            self.table(name)
        except ApiError:
            return False
        return True

    def create_dataset(self, name: str, resource: dict[str, Any], location: str | None = None) -> Dataset:
        """Create a dataset. Raises ApiError if it is there."""
        with self.lock:
            if name in self.datasets:
                raise already_there("Dataset", f"{self.project}:{name}")
            names.check_dataset(name)
            names.check_labels(resource.get("labels") or {})
            now = self.clock.now()
            made = Dataset(name, location or self.location, now, now, resource)
            with self.cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}")
            self.datasets[name] = made
            self.save()
            return made

    def drop_dataset(self, name: str, *, contents: bool) -> None:
        """Drop a dataset. Raises ApiError for one that still has tables, unless `contents`."""
        with self.lock:
            self.dataset(name)
            tables = [table for table in self.tables.values() if table.name[0] == name]
            if tables and not contents:
                raise ApiError("resourceInUse", f"Dataset {self.project}:{name} is still in use")
            with self.cursor() as cursor:
                cursor.execute(f"DROP SCHEMA IF EXISTS {identifier(name)} CASCADE")
            for table in tables:
                del self.tables[table.name]
            del self.datasets[name]
            self.save()

    def create_table(self, name: Name, fields: Iterable[schema.Field], resource: dict[str, Any]) -> Table:
        """Create an empty table. Raises ApiError if it is there or its dataset is not."""
        with self.lock:
            dataset = self.dataset(name[0])
            if self.exists(name):
                raise already_there("Table", f"{self.project}:{name[0]}.{name[1]}")
            now = self.clock.now()
            made = Table(name, schema.normalized(fields), now, now, resource)
            layout.check(made)
            names.check_labels(resource.get("labels") or {})
            if "expirationTime" not in resource and (days := dataset.resource.get("defaultTableExpirationMs")):
                made.resource["expirationTime"] = millis(now + timedelta(milliseconds=int(days)))
            if not made.is_view:
                with self.cursor() as cursor:
                    listed = ", ".join(schema.declared(column) for column in made.fields) or '"_none" BOOLEAN'
                    cursor.execute(f"CREATE TABLE {made.sql} ({listed})")
            self.tables[name] = made
            self.save()
            return made

    def drop_table(self, table: Table) -> None:
        """Drop a table or view."""
        with self.lock:
            with self.cursor() as cursor:
                cursor.execute(f"DROP {'VIEW' if table.is_view else 'TABLE'} IF EXISTS {table.sql}")
            del self.tables[table.name]
            self.save()

    def rename_table(self, table: Table, name: str) -> None:
        """Give a table another name in its dataset. Raises ApiError if that is taken."""
        with self.lock, self.cursor() as cursor:
            new = (table.name[0], name)
            if self.exists(new):
                raise already_there("Table", f"{self.project}:{new[0]}.{new[1]}")
            cursor.execute(f"ALTER TABLE {table.sql} RENAME TO {identifier(name)}")
            del self.tables[table.name]
            table.name = new
            self.tables[new] = table
            self.save()

    def add_fields(self, table: Table, fields: Iterable[schema.Field]) -> None:
        """Add columns. Raises ApiError for a required one."""
        with self.lock, self.cursor() as cursor:
            for added in schema.normalized(fields):
                self.check_added(table, added)
                if table.fields:
                    cursor.execute(f"ALTER TABLE {table.sql} ADD COLUMN {schema.declared(added)}")
                else:
                    cursor.execute(f"CREATE OR REPLACE TABLE {table.sql} ({schema.declared(added)})")
                table.fields.append(added)
            self.save()

    def check_added(self, table: Table, added: schema.Field) -> None:
        """Raise ApiError for a required column."""
        if added["mode"] == "REQUIRED":
            raise ApiError(
                "invalid",
                f"Provided Schema does not match Table {self.project}:{'.'.join(table.name)}. Cannot add required "
                f"fields to an existing schema. (field: {added['name']})",
            )

    def touch(self, table: Table, partitions: Iterable[str] = ()) -> None:
        """Note that metadata of a table have changed, or the rows of these partitions ("*": of all)."""
        with self.lock:
            table.version += 1
            table.modified = max(self.clock.now(), table.modified)
            for partition in partitions:
                if partition == ALL:
                    table.partitions.clear()
                table.partitions[partition] = table.modified
            self.save()

    def save(self) -> None:
        """Write all metadata beside the rows, if these are kept in a file."""
        if not self._durable:
            return
        kept = [("dataset", vars(one)) for one in self.datasets.values()]
        kept += [("table", {**vars(one), "counted": None, "blocks": None}) for one in self.tables.values()]
        with self.cursor() as cursor:
            cursor.begin()
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_INTERNAL}")
            cursor.execute(f"CREATE OR REPLACE TABLE {_INTERNAL}.metadata (kind VARCHAR, document VARCHAR)")
            for kind, document in kept:
                cursor.execute(
                    f"INSERT INTO {_INTERNAL}.metadata VALUES ($kind, $document)",
                    {"kind": kind, "document": json.dumps(document, default=_moment)},
                )
            cursor.commit()

    def _read(self) -> None:
        with self.cursor() as cursor:
            cursor.execute("SELECT 1 FROM duckdb_tables() WHERE schema_name = $name", {"name": _INTERNAL})
            if cursor.fetchone() is None:
                return
            cursor.execute(f"SELECT kind, document FROM {_INTERNAL}.metadata")
            for kind, document in cursor.fetchall():
                known = json.loads(document)
                for key in ("created", "modified"):
                    known[key] = datetime.fromisoformat(known[key])
                if kind == "dataset":
                    self.datasets[known["name"]] = Dataset(**known)
                else:
                    known["name"] = tuple(known["name"])
                    known["streamed"] = [datetime.fromisoformat(at) for at in known["streamed"]]
                    known["partitions"] = {k: datetime.fromisoformat(at) for k, at in known["partitions"].items()}
                    self.tables[known["name"]] = Table(**known)


def _moment(value: Any) -> str:  # noqa: ANN401 - what json.dumps cannot write
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is not JSON")
