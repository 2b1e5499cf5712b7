"""Conformance: transactions are serial, all or nothing, and read before they write."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import AlreadyExistsError, NotFoundError
from nbactl.ports.documents import Create, Filter, Increment, Query, Set, Update
from tests.conformance.documents.test_writes import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore, Transaction

pytestmark = pytest.mark.variants


class TestTransactions:
    """Read, decide, write."""

    def test_it_commits_its_writes_and_returns_the_result(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/a", {"n": 1})])

        def copy(transaction: Transaction) -> int:
            document = transaction.get(f"{collection}/a")
            assert document is not None
            transaction.write(Create(f"{collection}/b", document.data), Update(f"{collection}/a", {"n": Increment(1)}))
            number: int = document.data["n"]
            return number

        assert store.transaction(copy) == 1
        assert read(store, f"{collection}/b").data == {"n": 1}
        assert read(store, f"{collection}/a").data == {"n": 2}

    def test_it_reads_what_others_committed(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/{n}", {"n": n}) for n in range(4)])

        def look(transaction: Transaction) -> tuple[list[str], bool]:
            found = transaction.query(Query(collection, (Filter("n", ">=", 2),)))
            return [document.id for document in found], transaction.get(f"{collection}/none") is None

        assert store.transaction(look) == (["2", "3"], True)

    def test_an_error_changes_nothing_and_comes_out_as_it_is(self, store: DocumentStore, collection: str) -> None:
        error = ConnectionResetError("of somebody else's server")

        def fail(transaction: Transaction) -> None:
            transaction.write(Create(f"{collection}/d", {}))
            raise error

        with pytest.raises(ConnectionResetError) as raised:
            store.transaction(fail)
        assert raised.value is error
        assert store.get(f"{collection}/d") is None
        store.commit([Create(f"{collection}/d", {})])

    @pytest.mark.parametrize("fails_with", [AlreadyExistsError, NotFoundError])
    def test_writes_that_cannot_be_applied_change_nothing(
        self, store: DocumentStore, collection: str, fails_with: type[Exception]
    ) -> None:
        store.commit([Create(f"{collection}/there", {"n": 0})])
        wrong = Create(f"{collection}/there", {}) if fails_with is AlreadyExistsError else Update("none/none", {"a": 1})
        with pytest.raises(fails_with):
            store.transaction(lambda transaction: transaction.write(Set(f"{collection}/d", {}), wrong))
        assert store.get(f"{collection}/d") is None
        assert read(store, f"{collection}/there").data == {"n": 0}

    def test_reads_come_before_writes(self, store: DocumentStore, collection: str) -> None:
        def get_late(transaction: Transaction) -> None:
            transaction.write(Set(f"{collection}/d", {}))
            transaction.get(f"{collection}/d")

        def query_late(transaction: Transaction) -> None:
            transaction.write(Set(f"{collection}/d", {}))
            transaction.query(Query(collection))

        for late in (get_late, query_late):
            with pytest.raises(RuntimeError, match="reads before it writes"):
                store.transaction(late)
        assert store.get(f"{collection}/d") is None

    def test_one_transaction_within_another_is_refused(self, store: DocumentStore, collection: str) -> None:
        for inner in (
            lambda: store.transaction(lambda transaction: transaction.get(f"{collection}/d")),
            lambda: store.commit([Set(f"{collection}/d", {})]),
        ):

            def nest(_: Transaction, inner: Callable[[], object] = inner) -> object:
                return inner()

            with pytest.raises(RuntimeError, match="through its transaction"):
                store.transaction(nest)
        store.commit([Set(f"{collection}/d", {})])

    def test_it_cannot_be_used_after_its_end(self, store: DocumentStore, collection: str) -> None:
        kept = store.transaction(lambda transaction: transaction)
        for use in (
            lambda: kept.get(f"{collection}/d"),
            lambda: kept.query(Query(collection)),
            lambda: kept.write(Set(f"{collection}/d", {})),
        ):
            with pytest.raises(RuntimeError, match="has ended"):
                use()

    def test_read_modify_write_loses_nothing_between_threads_and_clients(
        self, open_client: Callable[[], DocumentStore], collection: str, contenders: int
    ) -> None:
        clients = [open_client(), open_client()]
        clients[0].commit([Create(f"{collection}/d", {"n": 0})])
        each = 10

        def add_one(transaction: Transaction) -> None:
            document = transaction.get(f"{collection}/d")
            assert document is not None
            transaction.write(Set(f"{collection}/d", {"n": document.data["n"] + 1}))

        def work(store: DocumentStore) -> None:
            for _ in range(each):
                store.transaction(add_one, max_attempts=50)

        threads = [threading.Thread(target=work, args=(clients[n % 2],)) for n in range(contenders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read(clients[0], f"{collection}/d").data == {"n": each * contenders}

    def test_one_winner_where_many_decide_on_what_they_read(
        self, open_client: Callable[[], DocumentStore], collection: str, contenders: int
    ) -> None:
        store = open_client()
        winners: list[int] = []

        def work(number: int) -> None:
            def decide(transaction: Transaction) -> bool:
                if transaction.get(f"{collection}/trigger") is not None:
                    return False
                transaction.write(Set(f"{collection}/trigger", {"by": number}))
                return True

            if store.transaction(decide, max_attempts=50):
                winners.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(contenders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [read(store, f"{collection}/trigger").data["by"]] == winners

    def test_a_closed_store_cannot_be_used(self, open_client: Callable[[], DocumentStore], collection: str) -> None:
        store = open_client()
        store.commit([Set(f"{collection}/d", {})])
        store.close()
        store.close()
        for use in (lambda: store.get(f"{collection}/d"), lambda: store.commit([Set(f"{collection}/d", {})])):
            with pytest.raises(RuntimeError, match="closed"):
                use()
