"""The lock that lets one process at a time open the warehouse file, with a turnstile so that nobody starves.

Both locks are `flock`s on side files: the kernel drops them when their process dies, by whatever signal.
A process that wants the lock takes the turnstile first and keeps it while it waits; so the holder sees that somebody
waits, and, having let go, cannot overtake it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.errors import first_line, is_no_room, no_room
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbactl.core._support.clock import Clock

_READ_ONLY: Final = re.compile(r"read-only file system", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r"permission denied|operation not permitted", re.IGNORECASE)
_DAMAGED: Final = re.compile(r"not a valid DuckDB database file|checksum|corrupt|read enough bytes|WAL", re.IGNORECASE)
_NEWER: Final = re.compile(r"newer|version number|storage version", re.IGNORECASE)


def cannot_open(path: Path, error: Exception) -> NbactlError:
    """Return the error for a warehouse file that the system or DuckDB refused to open."""
    text = first_line(error)
    if is_no_room(text):
        return no_room(text)
    kind, cause, next_step = _explain(path, text)
    if kind is UnavailableError:
        return UnavailableError(_what(path), cause=cause, next_step=next_step, retryable=False)
    return kind(_what(path), cause=cause, next_step=next_step)


def _what(path: Path) -> str:
    return f"the local warehouse {path} cannot be opened"


def _explain(path: Path, text: str) -> tuple[type[NbactlError], str, str]:
    away = (
        f"Move {path} away, then build the tables again from the raw files beside it: "
        "nbactl run phase2 phase3 phase4 --from DATE --to DATE --force"
    )
    if path.is_dir():
        return DataError, "there is a directory in its place", f"Move {path} away and run again."
    if _READ_ONLY.search(text):
        return UnavailableError, "the file system is read-only", "Choose another state directory: --state-dir DIR."
    if _FORBIDDEN.search(text):
        return NotAuthorisedError, text, "Make the state directory writable, or choose another: --state-dir DIR."
    if _NEWER.search(text):
        return DataError, f"a newer DuckDB wrote it: {text}", f"Install that DuckDB version. Or: {away}"
    if _DAMAGED.search(text):
        return DataError, text, away
    return UnavailableError, text, "`nbactl doctor` checks the state directory."


_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02


class FileLock:
    """An exclusive lock beside `path`. Not for use by two threads at once."""

    def __init__(self, path: Path, *, clock: Clock, holder: str) -> None:
        self._database = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._turnstile_path = path.with_name(path.name + ".turnstile")
        self._clock = clock
        self._holder = holder
        self._lock: int | None = None
        self._turnstile: int | None = None

    def acquire(self, until: float, check: Callable[[], None]) -> None:
        """Take the lock; waits until the clock's monotonic time `until`, or until `check` raises.

        Raises UnavailableError that names the holder.
        """
        lock = self._open(self._lock_path)
        try:
            turnstile = self._open(self._turnstile_path)
            try:
                self._poll(turnstile, until, check)
                self._poll(lock, until, check)
                os.ftruncate(lock, 0)
                os.pwrite(lock, self._note(), 0)
                fcntl.flock(turnstile, fcntl.LOCK_UN)
            except BaseException:
                os.close(turnstile)
                raise
        except OSError as error:
            os.close(lock)
            raise cannot_open(self._database, error) from error
        except BaseException:
            os.close(lock)
            raise
        self._lock, self._turnstile = lock, turnstile

    def release(self) -> None:
        """Release the lock."""
        for descriptor in (self._lock, self._turnstile):
            if descriptor is not None:
                os.close(descriptor)
        self._lock = self._turnstile = None

    def wanted(self) -> bool:
        """Say whether another process waits for the lock that this one holds."""
        if self._turnstile is None:
            return False
        try:
            fcntl.flock(self._turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        return False

    def held_by_another(self, cause: str | None = None) -> UnavailableError:
        """Return the error that says who has the warehouse open."""
        note = self._read_note()
        if cause is None and note:
            cause = f"pid {note.get('pid')} ({note.get('holder')}) has had it open since {note.get('since')}"
        return UnavailableError(
            f"the local warehouse {self._database} is in use by another process",
            cause=cause or "its lock file does not name the holder",
            next_step="Wait for that process to finish or stop it, then run the same command again.",
            details={"path": str(self._database), **note},
        )

    def _open(self, path: Path) -> int:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise cannot_open(self._database, error) from error

    def _poll(self, descriptor: int, until: float, check: Callable[[], None]) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                left = until - self._clock.monotonic()
                if left <= 0:
                    raise self.held_by_another() from error
                check()
                self._clock.sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    def _note(self) -> bytes:
        note = {"pid": os.getpid(), "holder": self._holder, "since": self._clock.now().isoformat(timespec="seconds")}
        return json.dumps(note).encode() + b"\n"

    def _read_note(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            note = json.loads(self._lock_path.read_bytes())
            if isinstance(note, dict):
                return note
        return {}
