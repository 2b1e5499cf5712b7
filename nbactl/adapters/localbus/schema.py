"""The file of the embedded bus: its tables, and how a connection to it is set up."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

from nbactl.core._support.sqlite_failures import OwnedConnection
from nbactl.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathlib import Path

MEMORY: Final = ":memory:"
_APPLICATION_ID: Final = 0x6E626162
"""Marks the file as nbactl's bus ("nbab")."""
_VERSION: Final = 2
_TABLES: Final = (
    "CREATE TABLE topics (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    """CREATE TABLE subscriptions (
  name TEXT PRIMARY KEY, topic TEXT NOT NULL, dead_letter_topic TEXT NOT NULL, most_attempts INTEGER NOT NULL,
  ack_deadline REAL NOT NULL, least_backoff REAL NOT NULL, most_backoff REAL NOT NULL, ordered INTEGER NOT NULL,
  push_endpoint TEXT, push_account TEXT, push_audience TEXT   -- NULL without a push
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, id TEXT NOT NULL, data BLOB NOT NULL,
  attributes TEXT NOT NULL,    -- JSON
  ordering_key TEXT NOT NULL,
  published INTEGER NOT NULL   -- microseconds since 1970
) STRICT""",
    "CREATE INDEX messages_of_topic ON messages (topic, seq)",
    """CREATE TABLE deliveries (
  subscription TEXT NOT NULL, seq INTEGER NOT NULL, ordering_key TEXT NOT NULL, attempt INTEGER NOT NULL,
  due INTEGER NOT NULL,        -- microseconds since 1970: when it may be delivered, or the delivery under way is over
  ack TEXT,                    -- of the delivery under way
  PRIMARY KEY (subscription, seq)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX deliveries_due ON deliveries (subscription, due)",
    "CREATE INDEX deliveries_of_key ON deliveries (subscription, ordering_key, seq) WHERE ordering_key <> ''",
    "CREATE INDEX deliveries_under_way ON deliveries (subscription, due) WHERE ack IS NOT NULL",
    """CREATE TABLE listeners (
  port INTEGER PRIMARY KEY, until INTEGER NOT NULL   -- microseconds since 1970
) STRICT""",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)
_FROM_1: Final = (
    "ALTER TABLE subscriptions ADD COLUMN push_endpoint TEXT",
    "ALTER TABLE subscriptions ADD COLUMN push_account TEXT",
    "ALTER TABLE subscriptions ADD COLUMN push_audience TEXT",
    f"PRAGMA user_version = {_VERSION}",
)
"""What makes a file of version 1 one of version 2."""


_CREATION_PAUSE: Final = 0.005


def connect(file: Path | str, busy_timeout: float) -> sqlite3.Connection:
    """Open a connection in autocommit mode that any thread may use, one at a time; make the file if it is missing.

    Raises DataError for a file that is not a bus, ConfigError for one of a later version.
    """
    connection = sqlite3.connect(
        str(file), timeout=busy_timeout, isolation_level=None, check_same_thread=False, factory=OwnedConnection
    )
    try:
        version = _version(connection, str(file))  # before anything is changed
        _use_wal(connection, busy_timeout)
        connection.execute("PRAGMA synchronous = FULL")
        if version != _VERSION:
            _prepare(connection, str(file))
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    # Switching a new file to WAL fails at once, without SQLite's busy timeout, while another process does it.
    give_up = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(_CREATION_PAUSE)
        else:
            return


def _prepare(connection: sqlite3.Connection, where: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, where)
        if version != _VERSION:  # another process made the tables meanwhile
            for statement in _FROM_1 if version else _TABLES:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, where: str) -> int:
    """Return the version of the file, 0 for an empty one."""
    # Another process may create the tables, in one commit, between these reads: our mark is looked for last.
    has_tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    # A database without our mark is a bus only if it is empty.
    if application != _APPLICATION_ID and (application or has_tables):
        raise DataError(f"{where} is not a message bus of nbactl", next_step="Choose another place with --state-dir.")
    if version > _VERSION:
        raise ConfigError(
            f"{where} was written by a newer nbactl", next_step="Install that version, or choose another --state-dir."
        )
    return version
