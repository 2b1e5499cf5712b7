"""The verbs that read, on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.adapters.sqlite.failures import translated
from nbactl.adapters.sqlite.queries import select
from nbactl.adapters.sqlite.writes import document, read_document
from nbactl.ports.document_rules import check_collection, split_document
from nbactl.ports.documents import Document, Query

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from datetime import datetime

COLUMNS = "id, data, created, updated"


def row_document(collection: str, row: tuple[Any, ...]) -> Document:
    """Return a row of COLUMNS as a document."""
    return document(f"{collection}/{row[0]}", row[1], row[2], row[3])


def count_rows(connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> int:
    """Return how many rows a statement has."""
    found: int = connection.execute(f"SELECT count(*) FROM ({sql})", parameters).fetchone()[0]  # noqa: S608 - made by select()
    return found


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
        sql, parameters = select(query, "1")
        with translated(self._where):
            return count_rows(self._open(), sql, parameters)

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
