"""The database file: its tables, its version, and how a connection to it is set up."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from nbactl.adapters.sqlite.queries import field_operand, quoted, stored_sort_key
from nbactl.core._support.sqlite_failures import OwnedConnection
from nbactl.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbactl.ports.indexes import Index

MEMORY: Final = ":memory:"
APPLICATION_ID: Final = 0x6E626163
"""Marks the file as nbactl's ("nbac")."""
VERSION: Final = 2
"""2 has indexes over JSON; a program that knows only 1 takes the file for damaged with SQLite 3.40."""

_LARGEST_WAL = 64 * 1024 * 1024
_DOCUMENTS = """
CREATE TABLE documents (
  collection TEXT NOT NULL,
  id TEXT NOT NULL,
  data TEXT NOT NULL,         -- JSON, see encoding.py
  created INTEGER NOT NULL,   -- microseconds since 1970
  updated INTEGER NOT NULL,
  PRIMARY KEY (collection, id)
) STRICT
"""
_TABLES = (
    _DOCUMENTS,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)


def connect(file: Path | str, busy_timeout: float, *, writable: bool) -> sqlite3.Connection:
    """Open a connection in autocommit mode that any thread may use, one at a time. `file` may be a `file:///` address.

    `trusted_schema` stays on: SQLite 3.40 uses its own JSON functions in indexes only then.
    """
    address = str(file)
    connection = sqlite3.connect(
        address,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        factory=OwnedConnection,
        uri=address.startswith("file:///"),
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_WAL}")
        if not writable:
            connection.execute("PRAGMA query_only = ON")
        connection.create_function("sort_key", 1, stored_sort_key, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def empty() -> sqlite3.Connection:
    """Return a connection to a store in memory that holds nothing."""
    connection = connect(MEMORY, 0.0, writable=True)
    _create(connection)
    return connection


def prepare(connection: sqlite3.Connection, where: str) -> None:
    """Check that the file is ours and not newer than this program, and create the tables of a new one."""
    created = check(connection, where)
    connection.execute("PRAGMA journal_mode = WAL")  # again each time, for a restored copy may have lost it
    if not created:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not check(connection, where):  # another process may have been faster
                _create(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def check(connection: sqlite3.Connection, where: str) -> bool:
    """Say whether the file has our tables. Raises DataError for another program's, ConfigError for a newer version."""
    # Another process may create the tables, in one commit, between these reads: our mark is looked for last.
    tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION_ID:
        if version > VERSION:
            raise ConfigError(
                f"{where} was written by a newer nbactl",
                cause=f"Its format is {version}; this program knows formats up to {VERSION}.",
                next_step="Update nbactl, or choose another place with --state-dir.",
            )
        return True
    if application or version or tables:
        raise DataError(
            f"{where} is a database of another program",
            next_step="Choose another place with --state-dir, or move the file away.",
        )
    return False


def add_indexes(connection: sqlite3.Connection, indexes: Iterable[Index]) -> None:
    """Create the indexes that the file lacks; where it has documents each in a commit of its own, for it takes long."""
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    missing = {name: index for index in indexes if (name := _index_name(index)) not in present}
    if not missing:
        return
    statements = [_index_sql(name, index) for name, index in missing.items()]
    # Their form before ids were in them: each would cost every write as much as the new one.
    statements += [f"DROP INDEX {old}" for index in missing.values() if (old := _without_id(index)) in present]
    statements.append(f"PRAGMA user_version = {VERSION}")
    if connection.execute("SELECT 1 FROM documents LIMIT 1").fetchone() is None:
        statements = ["BEGIN IMMEDIATE", *statements, "COMMIT"]
    for statement in statements:
        connection.execute(statement)


def _index_name(index: Index) -> str:
    # A new form of the expressions needs a new name.
    return f"{_without_id(index)}_and_id"


def _without_id(index: Index) -> str:
    return f"{index.collection}_by_{'_'.join(index.fields)}"


def _index_sql(name: str, index: Index) -> str:
    """Return the statement that makes an index; its expressions are those of queries, letter for letter.

    The id at its end has documents with equal fields in the order of queries: without it a query with a limit sorts
    all of them each time.
    """
    operands = [field_operand((field,)) for field in index.fields]
    keys = ", ".join(key for operand in operands for key in (operand.rank, operand.scalar))
    of_collection = f"collection = {quoted(index.collection)}"
    return f"CREATE INDEX IF NOT EXISTS {name} ON documents (collection, {keys}, id) WHERE {of_collection}"


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)
