"""The document port on SQLite: one file, shared by threads and processes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from nbactl.adapters.sqlite.commits import SharedCommits, Transactions
from nbactl.adapters.sqlite.connections import Connections
from nbactl.adapters.sqlite.queries import COUNT, TOP_COLLECTIONS, select, select_lacking
from nbactl.adapters.sqlite.writes import CONTENT, document, read_document
from nbactl.core._support.micros import from_micros, to_micros
from nbactl.core._support.sqlite_failures import translated
from nbactl.errors import NbactlError
from nbactl.ports.document_rules import check_collection, split_document
from nbactl.ports.documents import Document, Query, WriteResult
from nbactl.ports.write_rules import check_count, check_different

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Transaction, Write
    from nbactl.ports.indexes import Index

COLUMNS = f"id, {CONTENT}"


def row_document(collection: str, row: tuple[Any, ...]) -> Document:
    """Return a row of COLUMNS as a document."""
    return document(f"{collection}/{row[0]}", row[1], row[2], row[3])


def count(connection: sqlite3.Connection, query: Query) -> int:
    """Return how many documents match, at most the limit of the query."""
    found: int = connection.execute(*select(query, COUNT)).fetchone()[0]
    return found if query.limit is None else min(found, query.limit)


class SqliteSnapshot:
    """What a connection sees within one read transaction."""

    def __init__(self, connection: sqlite3.Connection, where: str, read_time: datetime) -> None:
        self.read_time = read_time
        self._connection = connection
        self._where = where
        self._ended = False

    def get(self, path: str) -> Document | None:
        return self.get_all([path])[0]

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        for path in paths:
            split_document(path)
        connection = self._open()
        with translated(self._where):
            return [read_document(connection, path) for path in paths]

    def query(self, query: Query) -> Iterator[Document]:
        sql, parameters = select(query, COLUMNS)
        return (row_document(query.collection, row) for row in self._stream(sql, parameters))

    def count(self, query: Query) -> int:
        with translated(self._where):
            return count(self._open(), query)

    def list_ids(self, collection: str) -> Iterator[str]:
        sql, parameters = select(Query(check_collection(collection)), "id")
        return (row[0] for row in self._stream(sql, parameters))

    def end(self) -> None:
        """Refuse further use: the connection will see other moments."""
        self._ended = True

    def _open(self) -> sqlite3.Connection:
        if self._ended:
            raise RuntimeError("the snapshot has ended")
        return self._connection

    def _stream(self, sql: str, parameters: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
        with translated(self._where):
            cursor = self._open().execute(sql, parameters)
            try:
                for row in cursor:
                    yield row
                    self._open()
            finally:
                cursor.close()


T = TypeVar("T")


class SqliteDocuments:
    """Documents as JSON in one SQLite file (WAL, synchronous FULL): what `commit` returned survives a crash.

    Writers run one after the other; readers see the last commit and are never blocked. `busy_timeout` is how many
    seconds a writer waits for the others. `":memory:"` keeps everything in this process. The first write adds those of
    `indexes` that the file lacks. A file that may not be written can be read.
    """

    def __init__(
        self,
        path: Path | Literal[":memory:"],
        *,
        clock: Clock,
        busy_timeout: float,
        indexes: Sequence[Index] = (),
    ) -> None:
        self._clock = clock
        self._connections = Connections(path, clock, busy_timeout, indexes)
        self._transactions = Transactions(self._connections, clock)
        self._commits = SharedCommits(self._connections, self._transactions)

    def get(self, path: str) -> Document | None:
        with self._connections.read() as connection:
            return read_document(connection, path)

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        for path in paths:
            split_document(path)
        with self._connections.read() as connection:
            if self._connections.in_memory:
                return [read_document(connection, path) for path in paths]
            connection.execute("BEGIN")
            try:
                return [read_document(connection, path) for path in paths]
            finally:
                connection.execute("COMMIT")

    def commit(self, writes: Sequence[Write]) -> datetime:
        check_count(writes)
        if not writes:
            return self._clock.now()
        return self._commits.make(writes)

    def commit_soon(self, writes: Sequence[Write]) -> asyncio.Future[datetime]:
        from nbactl.core._support.aio import Outcome  # noqa: PLC0415 - it loads asyncio, as who awaits has

        check_count(writes)
        ended: Outcome[datetime] = Outcome()
        if writes:
            self._commits.make_soon(writes, ended)
        else:
            ended.set_result(self._clock.now())
        return ended

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        check_count(writes)
        check_different(writes)
        if not writes:
            return []
        with self._transactions.open() as opened, translated(self._connections.where):
            now = opened.next_time()
            results = []
            for write in writes:
                error = None
                try:  # a single write is refused before anything of it is stored
                    opened.apply([write], now)
                except NbactlError as refused:
                    error = refused
                results.append(WriteResult(write.path, error))
            return results

    def transaction(self, fn: Callable[[Transaction], T], *, max_attempts: int = 5) -> T:  # noqa: ARG002 - writers run one after the other: there is nothing to try again
        with self._transactions.open() as opened:
            transaction = SqliteTransaction(opened.connection, self._connections.where)
            try:
                result = fn(transaction)
            finally:
                transaction.end()
            if transaction.writes:
                check_count(transaction.writes)
                with translated(self._connections.where):
                    opened.apply(transaction.writes, opened.next_time())
            return result

    def query(self, query: Query) -> Iterator[Document]:
        sql, parameters = select(query, COLUMNS)
        return (row_document(query.collection, row) for row in self._stream(sql, parameters))

    def count(self, query: Query) -> int:
        with self._connections.read() as connection:
            return count(connection, query)

    def list_ids(self, collection: str) -> Iterator[str]:
        sql, parameters = select(Query(check_collection(collection)), "id")
        return (row[0] for row in self._stream(sql, parameters))

    def list_collections(self) -> list[str]:
        with self._connections.read() as connection:
            return [name for (name,) in connection.execute(TOP_COLLECTIONS)]

    def lacking(self, collection: str, field: str) -> Iterator[Document]:
        sql, parameters = select_lacking(check_collection(collection), field, COLUMNS)
        return (row_document(collection, row) for row in self._stream(sql, parameters))

    @contextmanager
    def snapshot(self) -> Iterator[SqliteSnapshot]:
        with self._connections.hold() as connection:
            now = from_micros(max(to_micros(self._clock.now()), self._transactions.last))
            snapshot = SqliteSnapshot(connection, self._connections.where, now)
            try:
                yield snapshot
            finally:
                snapshot.end()

    def close(self) -> None:
        self._connections.close()

    def _stream(self, sql: str, parameters: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
        with self._connections.read() as connection:
            cursor = connection.execute(sql, parameters)
            if self._connections.in_memory:
                rows = cursor.fetchall()
            else:
                try:
                    yield from cursor
                finally:
                    cursor.close()
                return
        yield from rows


class SqliteTransaction:
    """Reads and collected writes of one transaction."""

    def __init__(self, connection: sqlite3.Connection, where: str) -> None:
        self._connection = connection
        self._where = where
        self._ended = False
        self.writes: list[Write] = []

    def get(self, path: str) -> Document | None:
        self._check_reads_first()
        with translated(self._where):
            return read_document(self._connection, path)

    def query(self, query: Query) -> list[Document]:
        self._check_reads_first()
        sql, parameters = select(query, COLUMNS)
        with translated(self._where):
            rows = self._connection.execute(sql, parameters).fetchall()
        return [row_document(query.collection, row) for row in rows]

    def write(self, *writes: Write) -> None:
        self._check_open()
        self.writes.extend(writes)

    def end(self) -> None:
        """Refuse further use: what came after would not be part of the commit."""
        self._ended = True

    def _check_open(self) -> None:
        if self._ended:
            raise RuntimeError("the transaction has ended")

    def _check_reads_first(self) -> None:
        self._check_open()
        if self.writes:
            raise RuntimeError("a transaction reads before it writes")
