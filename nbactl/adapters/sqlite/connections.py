"""The connections of one process to one database file: one writer, taken in turns, and a reader per reading thread.

No connection may be open while this process forks. SQLite keeps the locks of a process in memory by file, not by
connection. A child that inherits an open connection inherits that record with it: even a connection of its own then
takes no lock on the file, and another process may remove the log under it ("How To Corrupt An SQLite Database File",
2.6). So idle connections are closed before the fork; a child that was forked in the middle of a read or a write may not
use the file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections import deque
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nbactl.adapters.sqlite import schema
from nbactl.adapters.sqlite.read_only import ReadOnlyFile, changed, is_read_only, refusal
from nbactl.core._support.sqlite_failures import busy, translate, translated
from nbactl.core.calls.deadline import remaining

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.indexes import Index


class Forkable(Protocol):
    """An owner of connections."""

    def before_fork(self) -> None:
        """Close what can be closed and let nothing be opened."""
        ...

    def after_fork_in_parent(self) -> None:
        """Allow use again."""
        ...

    def after_fork_in_child(self) -> None:
        """Start again with nothing open."""
        ...


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_registered: list[bool] = []


def watch(holder: Forkable) -> None:
    """Notify `holder` of every fork of this process as long as it lives."""
    if not _registered:
        _registered.append(True)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
    _watched.add(holder)


def _before() -> None:
    for holder in list(_watched):
        holder.before_fork()


def _in_parent() -> None:
    for holder in list(_watched):
        holder.after_fork_in_parent()


def _in_child() -> None:
    for holder in list(_watched):
        holder.after_fork_in_child()


_IDLE_READERS = 8
_CREATION_PAUSE = 0.005
_spoilt: set[str] = set()
"""Files that this process must not touch, because it was forked while they were in use."""
_inherited: list[object] = []
"""Connections of the parent, which the child must not even close."""


class Connections:
    """Opens connections when they are first needed; usable from any thread.

    A file that does not exist reads as an empty store and is created by the first write, which also adds the indexes
    that are missing. In memory there is one connection, which readers and writers share in turns.
    """

    def __init__(self, path: Path | str, clock: Clock, busy_timeout: float, indexes: Sequence[Index] = ()) -> None:
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        self._writer_timeout = busy_timeout
        self._forked_in_use = self._has_turn = False
        self._begin()
        self.in_memory = str(path) == schema.MEMORY
        # Absolute, for the process may change its directory between two connections.
        self.where = schema.MEMORY if self.in_memory else str(Path(path).absolute())
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._indexes = indexes
        self._read_only: ReadOnlyFile | None = None
        watch(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # the writer's turn
        self._writing_thread: int | None = None
        self._gate = threading.Lock()  # held while a reader is taken out
        self._idle: deque[sqlite3.Connection] = deque()
        self._lent: set[sqlite3.Connection] = set()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection within BEGIN IMMEDIATE; rolls back what the block does not commit.

        Raises UnavailableError when other writers do not let go in time.
        """
        self.check_writable()
        wait = self.patience()
        if not self._lock.acquire(timeout=wait):
            raise busy(self.where)
        try:
            with translated(self.where):
                connection = self._open_writer()
                if wait != self._writer_timeout:
                    connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
                    self._writer_timeout = wait
                connection.execute("BEGIN IMMEDIATE")
            self._writing_thread = threading.get_ident()
            try:
                yield connection
            finally:
                self._writing_thread = None
                if connection.in_transaction:
                    with translated(self.where):
                        connection.execute("ROLLBACK")
        finally:
            self._lock.release()

    def patience(self) -> float:
        """Return how many seconds a writer waits here for the others."""
        return remaining(self._busy_timeout)

    def check_writable(self) -> None:
        """Raise RuntimeError where this thread must not write: the store is closed, or its own transaction is open."""
        self._check_usable()
        if self._writing_thread == threading.get_ident():
            raise RuntimeError("a transaction's function must write through its transaction, not through the store")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read from, for this block alone."""
        with self._reader() as connection, translated(self.where):
            yield connection

    @contextmanager
    def hold(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees the store as it is now, whatever is written during this block."""
        if self.in_memory:
            with closing(schema.connect(schema.MEMORY, 0.0, writable=True)) as copy:
                with self.read() as connection:
                    connection.backup(copy)
                yield copy
            return
        with self._reader() as connection:
            with translated(self.where):
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM documents LIMIT 1").fetchone()  # the first read fixes the moment
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        self._check_usable()
        if self.in_memory:
            with self._turn(remaining(self._busy_timeout)):
                yield self._open_writer()
            return
        with translated(self.where):
            connection = self._take_reader()
        if connection is None:
            with closing(schema.empty()) as nothing:
                yield nothing
            return
        try:
            yield connection
        finally:
            self._give_back(connection)
        if self._read_only is not None and self._read_only.changed():
            self._forget_read_only()
            raise changed(self.where)

    def close(self) -> None:
        """Close what is idle; a connection in use is closed when it is given back."""
        self._closed = True
        with self._lock:
            self._close_idle()

    def __del__(self) -> None:
        self.close()

    def before_fork(self) -> None:
        """Block all use, and close all connections if none is in use."""
        self._gate.acquire()  # released after the fork
        self._has_turn = self._lock.acquire(blocking=False)
        self._forked_in_use = not self._has_turn or self._writing_thread is not None or bool(self._lent)
        if not self._forked_in_use and not self.in_memory:
            self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Allow use again."""
        if self._has_turn:
            self._lock.release()
        self._gate.release()

    def after_fork_in_child(self) -> None:
        """Start with nothing open; refuse use if a connection was in use."""
        if self._forked_in_use:
            _spoilt.add(self.where)
            _inherited.append((self._writer, self._idle, self._lent))
            self._writer = None
            self._closed = self.in_memory
        self._begin()

    def _check_usable(self) -> None:
        if self._closed:
            raise RuntimeError(f"the document store {self.where} is closed")
        if self.where in _spoilt and not self.in_memory:
            raise RuntimeError(f"this process was forked while {self.where} was in use and cannot use it")

    @contextmanager
    def _turn(self, wait: float) -> Iterator[None]:
        if not self._lock.acquire(timeout=wait):
            raise busy(self.where)
        try:
            yield
        finally:
            self._lock.release()

    def _close_idle(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        while self._idle:
            self._idle.pop().close()
        if not self._lent:
            self._forget_read_only()

    def _forget_read_only(self) -> None:
        """Open the file as if for the first time when it is next read."""
        while self._idle:
            self._idle.pop().close()
        if self._read_only is not None:
            self._read_only.close()
            self._read_only = None

    def _take_reader(self) -> sqlite3.Connection | None:
        """Return a reader, or None if there is nothing to read: no file yet, or one whose creation is under way."""
        with self._gate:
            connection = self._idle.pop() if self._idle else self._open_reader()
            if connection is not None:
                self._lent.add(connection)
            return connection

    def _open_reader(self) -> sqlite3.Connection | None:
        if not Path(self.where).exists():
            return None
        if self._read_only is None and is_read_only(Path(self.where)):
            self._read_only = ReadOnlyFile(Path(self.where), self._busy_timeout)
        if self._read_only is not None:
            connection = self._read_only.open()
        else:
            connection = schema.connect(self.where, self._busy_timeout, writable=False)
        ready = False
        try:
            ready = schema.check(connection, self.where)
        finally:
            if not ready:
                connection.close()
        return connection if ready else None

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._lent.discard(connection)
        if self._closed or len(self._idle) >= _IDLE_READERS:
            connection.close()
        else:
            self._idle.append(connection)

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            if not self.in_memory:
                if is_read_only(Path(self.where)):
                    raise refusal(Path(self.where))
                Path(self.where).parent.mkdir(parents=True, exist_ok=True)
            connection = schema.connect(self.where, self._busy_timeout, writable=True)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._writer = connection
            self._writer_timeout = self._busy_timeout
        return self._writer

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Switching a new file to WAL fails at once, without SQLite's busy timeout, while another process does it.
        give_up = self._clock.monotonic() + self._busy_timeout
        while True:
            try:
                schema.prepare(connection, self.where)
                return schema.add_indexes(connection, self._indexes)
            except sqlite3.OperationalError as error:
                if not translate(error, self.where).retryable or self._clock.monotonic() >= give_up:
                    raise
                self._clock.sleep(_CREATION_PAUSE)
