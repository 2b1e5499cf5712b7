"""SQLite's errors as nbactl's: what happened, why, what to do next."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbactl.errors import ConfigError, DataError, NbactlError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRIMARY = 0xFF  # an extended result code holds the primary one in its low byte
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_ACCESS = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PLACE = "Choose another place with --state-dir, or correct its permissions."


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise SQLite's and the file system's errors about the file `where` as nbactl's."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, where) from error
    except OSError as error:
        raise ConfigError(f"{where} cannot be opened", cause=str(error), next_step=_PLACE) from error


def translate(error: sqlite3.Error, where: str) -> NbactlError:
    """Return the nbactl error that stands for `error`."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in _BUSY:
        return busy(where)
    if code == sqlite3.SQLITE_FULL:
        return UnavailableError(
            f"{where} cannot grow",
            cause="The disk is full. Nothing was changed.",
            next_step="Free some space, then run the same command again.",
            retryable=False,
        )
    if code in _NO_ACCESS:
        return ConfigError(f"{where} cannot be opened or written", cause=f"SQLite says: {error}", next_step=_PLACE)
    if code in _BROKEN:
        return DataError(
            f"{where} is damaged, or no SQLite database",
            cause=f"SQLite says: {error}",
            next_step="Move the file away (with its -wal and -shm files) to start afresh, or restore a copy.",
        )
    return UnavailableError(f"{where} could not be read or written", cause=f"SQLite says: {error}")


def busy(where: str) -> UnavailableError:
    """Return the error of a writer that waited in vain."""
    return UnavailableError(
        f"{where} is busy",
        cause="Another writer held it for longer than documents.busy in timeouts.yaml allows.",
        next_step="Try again; if it stays so, look for a nbactl process that hangs.",
    )
