"""The file of the embedded bus as this process uses it: one connection, whose transactions all threads share."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nbactl.adapters.localbus import schema
from nbactl.core._support.group_commit import GroupCommit
from nbactl.core._support.sqlite_failures import translated
from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
_files: weakref.WeakSet[BusFile] = weakref.WeakSet()


class BusFile:
    """Runs work in transactions that are on the disk when it returns. `busy_timeout` (seconds) is for other processes.

    A transaction that has news asks `listening` for the ports that listen, and calls `notify` with them once it is
    committed: once, however many callers share it.

    A fork closes the connection before, and each side opens one of its own: an inherited one would damage the file.
    """

    def __init__(
        self,
        path: Path | str,
        busy_timeout: float,
        listening: Callable[[sqlite3.Connection], Sequence[int]],
        notify: Callable[[Sequence[int]], None],
    ) -> None:
        self._connection: sqlite3.Connection | None = None
        self.in_memory = str(path) == schema.MEMORY
        self.where = str(path) if self.in_memory else str(Path(path).absolute())
        self._busy_timeout = busy_timeout
        self._listening = listening
        self._notify = notify
        self._closed = False
        self._identity: tuple[int, int] | None = None
        self._begin()
        _files.add(self)

    def _begin(self) -> None:
        self._news = False
        self._lock = threading.RLock()
        self._commits = GroupCommit(self._transaction)

    def write(self, work: Callable[[sqlite3.Connection], T], *, news: bool = False) -> T:
        """Run `work` in a transaction, perhaps together with that of other threads; with `news`, wake who waits then.

        Raises what `work` raises, UnavailableError where other processes hold the file too long or the disk is full,
        NotAuthorisedError, ConfigError or DataError where it cannot be opened.
        """

        def run(connection: sqlite3.Connection) -> T:
            result = work(connection)
            self._news = self._news or news
            return result

        return self._commits.run(run)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on what was committed last."""
        with self._open() as connection:
            return work(connection)

    def close(self) -> None:
        """Close the connection. The file cannot be used afterwards."""
        with self._lock:
            self._closed = True
            self._close()

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._news = False  # one transaction at a time: this thread has the lock
            try:
                yield connection
                ports = self._listening(connection) if self._news and not self.in_memory else ()
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            if self._news:
                self._notify(ports)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self.where):
            if self._closed:
                raise UnavailableError("the message bus is closed")
            if self._connection is None:
                if not self.in_memory:
                    Path(self.where).parent.mkdir(parents=True, exist_ok=True)
                self._connection = schema.connect(self.where, self._busy_timeout)
                self._identity = self._file_identity()
            elif self._identity != self._file_identity():
                raise UnavailableError(
                    f"{self.where} was removed or replaced while this process used it",
                    cause="What it writes would be lost.",
                    next_step="Restart the processes that use the bus.",
                    retryable=False,
                )
            yield self._connection

    def _file_identity(self) -> tuple[int, int] | None:
        """Return what tells the file from another one in its place; None for one that is gone, or is in memory."""
        if self.in_memory:
            return None
        try:
            found = os.stat(self.where)  # noqa: PTH116 - a third of the time of Path.stat, in each transaction
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def before_fork(self) -> None:
        self._lock.acquire()
        if not self.in_memory:
            self._close()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._begin()


def _each(method: str) -> Callable[[], None]:
    def call() -> None:
        for file in list(_files):
            getattr(file, method)()

    return call


os.register_at_fork(
    before=_each("before_fork"),
    after_in_parent=_each("after_fork_in_parent"),
    after_in_child=_each("after_fork_in_child"),
)
