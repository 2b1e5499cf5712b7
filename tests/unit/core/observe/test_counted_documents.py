"""A counted store counts what Firestore would bill (it is held to the suite of documents as the engine `counted`)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from nbactl.core.observe.counted_documents import CountedDocuments
from nbactl.errors import AlreadyExistsError, UnavailableError
from nbactl.ports.documents import Create, Query, Set
from nbactl.testing import memory_documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.observe.events import Event
    from nbactl.ports.documents import DocumentStore, Reader, Transaction


class Bill:
    """A counted store in memory with the documents c/0 to c/4, and what was counted since."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.store: DocumentStore = CountedDocuments(memory_documents(), self._hear)
        self.store.commit([Create(f"c/{number}", {"n": number}) for number in range(5)])
        assert self.counted == {"commit": 5}
        self.counted.clear()

    def _hear(self, event: Event) -> None:
        assert event.kind == ("documents.written" if event.name in WRITES else "documents.read")
        self.counted[event.name] += event.fields["documents"]


WRITES = ("commit", "batch_write", "transaction")
READS: dict[str, tuple[Callable[[Reader], object], int]] = {
    "get": (lambda reader: (reader.get("c/0"), reader.get("c/none")), 2),
    "get_all": (lambda reader: reader.get_all(["c/0", "c/none", "c/0"]), 3),
    "query": (lambda reader: list(reader.query(Query("c", limit=3))), 3),
    "count": (lambda reader: reader.count(Query("c")), 1),
    "list_ids": (lambda reader: list(reader.list_ids("c")), 5),
}


@pytest.mark.parametrize("operation", READS)
def test_reads_are_counted_in_the_store_and_in_a_snapshot(operation: str) -> None:
    bill = Bill()
    read, documents = READS[operation]
    read(bill.store)
    assert bill.counted == {operation: documents}
    with bill.store.snapshot() as snapshot:
        assert snapshot.read_time is not None
        read(snapshot)
    assert bill.counted == {operation: 2 * documents}


def test_a_query_without_results_is_one_read_and_a_count_one_for_each_thousand() -> None:
    bill = Bill()
    assert list(bill.store.query(Query("none"))) == []
    assert bill.store.count(Query("none")) == 0
    assert bill.counted == {"query": 1, "count": 1}
    for start in range(0, 1001, 500):
        bill.store.commit([Set(f"many/{start + number}", {}) for number in range(500 if start < 1000 else 1)])
    assert bill.store.count(Query("many")) == 1001
    assert bill.counted["count"] == 3


def test_a_stream_that_is_left_counts_what_was_read_of_it() -> None:
    bill = Bill()
    stream = bill.store.query(Query("c"))
    assert [next(stream).id for _ in range(2)] == ["0", "1"]
    del stream
    assert bill.counted == {"query": 2}


def test_what_is_refused_is_not_counted() -> None:
    bill = Bill()
    with pytest.raises(AlreadyExistsError):
        bill.store.commit([Set("c/9", {}), Create("c/0", {})])
    bill.store.batch_write([Set("c/9", {}), Create("c/0", {}), Set("c/8", {})])
    assert bill.counted == {"batch_write": 2}


def test_a_transaction_counts_the_reads_of_each_run_and_the_writes_of_the_last() -> None:
    bill = Bill()

    def change(transaction: Transaction) -> int:
        assert transaction.get("c/0") is not None
        found = len(transaction.query(Query("c")))
        transaction.write(Set("c/0", {}), Set("c/1", {}))
        return found

    assert bill.store.transaction(change) == 5
    assert bill.counted == {"get": 1, "query": 5, "transaction": 2}

    def fail(transaction: Transaction) -> None:
        transaction.write(Set("c/0", {}))
        raise UnavailableError("down")

    with pytest.raises(UnavailableError):
        bill.store.transaction(fail)
    assert bill.counted["transaction"] == 2


def test_closing_closes_the_store_beneath() -> None:
    beneath = memory_documents()
    CountedDocuments(beneath, lambda _: None).close()
    with pytest.raises(Exception, match="closed"):
        beneath.get("c/0")
