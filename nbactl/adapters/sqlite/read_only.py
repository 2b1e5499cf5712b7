"""Reading a database that this process may not write: in a backup, a snapshot, or another user's folder.

SQLite wants to create the log's index beside a file in WAL mode even to read it. Where it may not, the file is read as
it is if it has no log. A log without its index is read in a copy. "Write-Ahead Logging", 5, Read-Only Databases.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite import schema
from nbactl.errors import NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    import sqlite3


def is_read_only(file: Path) -> bool:
    """Say whether the file is there and this process may not write it, or may not write beside it."""
    return file.exists() and not (_may_write(file) and _may_write(file.parent))


def refusal(file: Path) -> NotAuthorisedError:
    """Return the error of a writer."""
    return NotAuthorisedError(
        f"{file} is read-only",
        cause="This user may not write it, or its file system is mounted read-only.",
        next_step="Choose another place with --state-dir, or correct its permissions.",
    )


def changed(where: str) -> UnavailableError:
    """Return the error of a reader that may have seen two moments."""
    return UnavailableError(
        f"{where} was changed while it was read",
        cause="Another user or process writes it, and this one may not lock it.",
        next_step="Run the same command again.",
    )


class ReadOnlyFile:
    """One file that is only read. Close it when its connections are closed."""

    def __init__(self, file: Path, busy_timeout: float) -> None:
        self._file = file
        self._busy_timeout = busy_timeout
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._seen = self._state()

    def open(self) -> sqlite3.Connection:
        """Open a connection."""
        log = Path(f"{self._file}-wal")
        if not _size(log):
            # No other process has it open, and `changed` reveals one that opens it meanwhile.
            return self._connect(f"{self._file.as_uri()}?mode=ro&immutable=1")
        if Path(f"{self._file}-shm").exists():
            return self._connect(f"{self._file.as_uri()}?mode=ro")
        if self._copy is None:
            self._copy = tempfile.TemporaryDirectory(prefix="nbactl-")
            for part in (self._file, log):
                shutil.copy(part, self._copy.name)
        return self._connect(f"{(Path(self._copy.name) / self._file.name).as_uri()}?mode=rw")

    def changed(self) -> bool:
        """Say whether the file was changed since it was opened without locks: what was read may be of two moments."""
        return not Path(f"{self._file}-shm").exists() and self._state() != self._seen

    def close(self) -> None:
        """Remove the copy."""
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def _connect(self, address: str) -> sqlite3.Connection:
        return schema.connect(address, self._busy_timeout, writable=False)

    def _state(self) -> tuple[int, ...]:
        found = self._file.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, _size(Path(f"{self._file}-wal"))


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
