"""A document store whose every call is a step of an interleaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from nbactl.ports.documents import Document, DocumentStore, Query, Snapshot, Transaction, Write, WriteResult

T = TypeVar("T")


class Steps(Protocol):
    """What decides who goes on, and what goes wrong."""

    def step(self, what: str) -> None:
        """Let others go on here."""
        ...

    def may_fail(self, call: str) -> bool:
        """Say whether the answer is to be lost; raises UnavailableError to refuse the call."""
        ...


class SteppedStore:
    """Passes calls on to `inner`, each after a step. Reads may be refused, changes also lose their answer."""

    def __init__(self, inner: DocumentStore, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def get(self, path: str) -> Document | None:
        self._steps.step(f"get {path}")
        return self._inner.get(path)

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        self._steps.step(f"get {', '.join(paths)}")
        return self._inner.get_all(paths)

    def query(self, query: Query) -> Iterator[Document]:
        self._steps.step(f"query {query.collection}")
        return iter(list(self._inner.query(query)))

    def count(self, query: Query) -> int:
        self._steps.step(f"count {query.collection}")
        return self._inner.count(query)

    def list_ids(self, collection: str) -> Iterator[str]:
        self._steps.step(f"list {collection}")
        return iter(list(self._inner.list_ids(collection)))

    def commit(self, writes: Sequence[Write]) -> datetime:
        return self._changed(f"commit {_shown(writes)}", lambda: self._inner.commit(writes))

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        return self._changed(f"batch {_shown(writes)}", lambda: self._inner.batch_write(writes))

    def transaction(self, fn: Callable[[Transaction], T], *, max_attempts: int = 5) -> T:
        name = getattr(fn, "__name__", "transaction")
        return self._changed(f"transaction {name}", lambda: self._inner.transaction(fn, max_attempts=max_attempts))

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        self._steps.step("snapshot")
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()

    def _changed(self, call: str, change: Callable[[], T]) -> T:
        self._steps.step(call)
        answer_is_lost = self._steps.may_fail(call)
        result = change()
        if answer_is_lost:
            raise UnavailableError(f"{call} was done, and its answer lost, by this order of steps")
        return result


def _shown(writes: Sequence[Write]) -> str:
    return ", ".join(f"{type(write).__name__} {write.path}" for write in writes)
