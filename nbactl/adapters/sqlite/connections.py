"""The connections of one process to one database file: one writer, taken in turns, and a reader per reading thread."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite import schema
from nbactl.adapters.sqlite.failures import busy, translate, translated
from nbactl.core.deadline import remaining

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core.clock import Clock

_IDLE_READERS = 8
_CREATION_PAUSE = 0.005
_inherited: list[object] = []
"""Connections of the parent process: SQLite forbids to use or even close them in a forked child."""


class Connections:
    """Opens connections when they are first needed; usable from any thread and after a fork.

    A file that does not exist reads as an empty store and is created by the first write. In memory there is one
    connection, which readers and writers share in turns.
    """

    def __init__(self, path: Path | str, clock: Clock, busy_timeout: float) -> None:
        self.in_memory = str(path) == schema.MEMORY
        self.where = str(path)
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._closed = False
        self._start()

    def _start(self, writer: sqlite3.Connection | None = None) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._readers: deque[sqlite3.Connection] = deque()
        self._writer = writer
        self._writing_thread: int | None = None

    def _ready(self) -> None:
        if self._closed:
            raise RuntimeError(f"the document store {self.where} is closed")
        if self._pid != os.getpid():
            _inherited.extend((self._writer, self._readers))
            self._start(self._writer if self.in_memory else None)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection within BEGIN IMMEDIATE; rolls back if the block raises.

        The block commits by itself. Raises UnavailableError when other writers do not let go in time.
        """
        self._ready()
        if self._writing_thread == threading.get_ident():
            raise RuntimeError("a transaction's function must write through its transaction, not through the store")
        wait = remaining(self._busy_timeout)
        with self._turn(wait):
            with translated(self.where):
                connection = self._open_writer()
                connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
                connection.execute("BEGIN IMMEDIATE")
            self._writing_thread = threading.get_ident()
            try:
                yield connection
            finally:
                self._writing_thread = None
                if connection.in_transaction:
                    with translated(self.where):
                        connection.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read from, for this block alone."""
        self._ready()
        if self.in_memory:
            with self._turn(remaining(self._busy_timeout)), translated(self.where):
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

    def close(self) -> None:
        """Close what is idle; connections in use are closed when they are given back."""
        self._closed = True
        if self._pid != os.getpid():
            return
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            while self._readers:
                self._readers.pop().close()

    @contextmanager
    def _turn(self, wait: float) -> Iterator[None]:
        if not self._lock.acquire(timeout=wait):
            raise busy(self.where)
        try:
            yield
        finally:
            self._lock.release()

    def _take_reader(self) -> sqlite3.Connection | None:
        """Return a reader, or None if there is nothing to read: no file yet, or one whose creation is under way."""
        try:
            return self._readers.pop()
        except IndexError:
            pass
        if not Path(self.where).exists():
            return None
        connection = schema.connect(self.where, self._busy_timeout, writable=False)
        try:
            ready = schema.check(connection, self.where)
        except BaseException:
            connection.close()
            raise
        if not ready:
            connection.close()
            return None
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._readers) >= _IDLE_READERS:
            connection.close()
        else:
            self._readers.append(connection)

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            if not self.in_memory:
                Path(self.where).parent.mkdir(parents=True, exist_ok=True)
            connection = schema.connect(self.where, self._busy_timeout, writable=True)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._writer = connection
        return self._writer

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Switching a new file to WAL fails at once, without SQLite's busy timeout, while another process does it.
        give_up = self._clock.monotonic() + self._busy_timeout
        while True:
            try:
                return schema.prepare(connection, self.where)
            except sqlite3.OperationalError as error:
                if not translate(error, self.where).retryable or self._clock.monotonic() >= give_up:
                    raise
                self._clock.sleep(_CREATION_PAUSE)
