"""A document store that emits an event for the documents that are read and written.

Reads are counted as Firestore bills them ("Understand Cloud Firestore billing"): one for each document asked for by
path, there or not; one for each result of a query, at least one; one for each 1,000 that are counted, at least one.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from nbactl.core.observe.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from nbactl.core.observe.events import Hook
    from nbactl.ports.documents import Document, DocumentStore, Query, Reader, Snapshot, Transaction, Write, WriteResult

T = TypeVar("T")
_COUNTED_BY_ONE_READ: Final = 1_000


class _CountedReader:
    """The reading verbs."""

    def __init__(self, reader: Reader, hook: Hook) -> None:
        self._reader = reader
        self._hook = hook

    def get(self, path: str) -> Document | None:
        found = self._reader.get(path)
        self._emit("get", 1)
        return found

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        found = self._reader.get_all(paths)
        self._emit("get_all", len(found))
        return found

    def query(self, query: Query) -> Iterator[Document]:
        return self._counted("query", self._reader.query(query))

    def count(self, query: Query) -> int:
        found = self._reader.count(query)
        self._emit("count", max(1, -(-found // _COUNTED_BY_ONE_READ)))
        return found

    def list_ids(self, collection: str) -> Iterator[str]:
        return self._counted("list_ids", self._reader.list_ids(collection))

    def _counted(self, operation: str, stream: Iterable[T]) -> Iterator[T]:
        """Pass a stream on; what was read of it is counted when it ends or is closed."""
        passed = 0
        try:
            for item in stream:
                passed += 1
                yield item
        finally:
            self._emit(operation, max(1, passed))

    def _emit(self, operation: str, documents: int) -> None:
        if documents:
            self._hook(Event("documents.read", operation, {"documents": documents}))


class _CountedSnapshot(_CountedReader):
    def __init__(self, snapshot: Snapshot, hook: Hook) -> None:
        super().__init__(snapshot, hook)
        self.read_time = snapshot.read_time


class _CountedTransaction:
    """One run of a transaction's function: its reads are made, its writes only if it is the last run."""

    def __init__(self, transaction: Transaction, hook: Hook) -> None:
        self._transaction = transaction
        self._hook = hook
        self.writes = 0

    def get(self, path: str) -> Document | None:
        found = self._transaction.get(path)
        self._hook(Event("documents.read", "get", {"documents": 1}))
        return found

    def query(self, query: Query) -> list[Document]:
        found = self._transaction.query(query)
        self._hook(Event("documents.read", "query", {"documents": max(1, len(found))}))
        return found

    def write(self, *writes: Write) -> None:
        self._transaction.write(*writes)
        self.writes += len(writes)


class CountedDocuments(_CountedReader):
    """A DocumentStore that does what `store` does, and emits events to `hook`; what failed is not counted."""

    def __init__(self, store: DocumentStore, hook: Hook) -> None:
        super().__init__(store, hook)
        self._store = store

    def list_collections(self) -> list[str]:
        found = self._store.list_collections()
        self._emit("list_collections", 1)
        return found

    def lacking(self, collection: str, field: str) -> Iterator[Document]:
        return self._counted("lacking", self._store.lacking(collection, field))

    def commit(self, writes: Sequence[Write]) -> datetime:
        at = self._store.commit(writes)
        self._emit_written("commit", len(writes))
        return at

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        results = self._store.batch_write(writes)
        self._emit_written("batch_write", sum(result.error is None for result in results))
        return results

    def transaction(self, fn: Callable[[Transaction], T], *, max_attempts: int = 5) -> T:
        written = 0

        def counted(transaction: Transaction) -> T:
            nonlocal written
            counting = _CountedTransaction(transaction, self._hook)
            result = fn(counting)
            written = counting.writes
            return result

        result = self._store.transaction(counted, max_attempts=max_attempts)
        self._emit_written("transaction", written)
        return result

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._store.snapshot() as snapshot:
            yield _CountedSnapshot(snapshot, self._hook)

    def close(self) -> None:
        self._store.close()

    def _emit_written(self, operation: str, documents: int) -> None:
        if documents:
            self._hook(Event("documents.written", operation, {"documents": documents}))
