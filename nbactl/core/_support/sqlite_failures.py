"""SQLite's errors as nbactl's: what happened, why, what to do next; and its connections."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.errors import ConfigError, DataError, NbactlError, NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    from types import TracebackType

_PRIMARY = 0xFF  # an extended result code holds the primary one in its low byte
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_ACCESS = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_EFFECTIVE = os.access in os.supports_effective_ids
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PLACE = "Choose another place with --state-dir, or correct its permissions."


class OwnedConnection(sqlite3.Connection):
    """A connection that a store owns, and that closes with it.

    From Python 3.13 on, a plain one warns that it was left open. In a cycle of garbage it may be finalized before the
    store, so that the store cannot prevent the warning by closing it in its own `__del__`.
    """

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was never open
            self.close()


class translated:  # noqa: N801 - reads as the function that it is used as
    """Raise SQLite's and the file system's errors about the file `where` as nbactl's.

    A class, not a generator: every call of a store uses it several times, and this costs a quarter.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.Error):
            raise translate(error, self._where) from error
        if isinstance(error, OSError):
            kind = NotAuthorisedError if error.errno in _FORBIDDEN else ConfigError
            raise kind(f"{self._where} cannot be opened", cause=str(error), next_step=_PLACE) from error


def translate(error: sqlite3.Error, where: str) -> NbactlError:
    """Return the nbactl error for `error`."""
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
    if code in _NO_ACCESS or code == sqlite3.SQLITE_CANTOPEN:
        folder_open = os.access(Path(where).parent, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE)
        forbidden = code in _NO_ACCESS or not folder_open
        kind = NotAuthorisedError if forbidden else ConfigError
        return kind(f"{where} cannot be opened or written", cause=f"SQLite says: {error}", next_step=_PLACE)
    if code in _BROKEN:
        return DataError(
            f"{where} is damaged, or not an SQLite database",
            cause=f"SQLite says: {error}",
            next_step="Move the file away (with its -wal and -shm files) to start afresh, or restore a copy.",
        )
    return UnavailableError(f"{where} could not be read or written", cause=f"SQLite says: {error}")


def busy(where: str) -> UnavailableError:
    """Return the error of a writer whose wait timed out."""
    return UnavailableError(
        f"{where} is busy",
        cause="Another writer held it for longer than documents.busy in timeouts.yaml allows.",
        next_step="Try again; if it keeps failing, look for an nbactl process that hangs.",
    )
