"""Conformance: batches whose writes stand by themselves, and snapshots of one moment."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, PreconditionError, UnavailableError
from nbactl.ports.documents import Create, Delete, Filter, Increment, Query, Set, Update, WriteResult
from nbactl.testing import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore, Transaction
    from tests.kit.engines import Engine

pytestmark = pytest.mark.variants


class TestBatches:
    """batch_write."""

    def test_each_write_of_a_batch_is_applied_or_refused_by_itself(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/{name}", {"n": 1}) for name in ("there", "old", "counted", "changed")])
        seen = store.get(f"{collection}/changed")
        assert seen is not None
        store.commit([Update(f"{collection}/changed", {"n": 2})])
        results = store.batch_write(
            [
                Create(f"{collection}/new", {"n": 0}),
                Create(f"{collection}/there", {"n": 9}),
                Update(f"{collection}/none", {"n": 9}),
                Update(f"{collection}/changed", {"n": 9}, if_updated_at=seen.update_time),
                Set(f"{collection}/unstorable", {"n": float("nan")}),
                Set("no document", {}),
                Update(f"{collection}/counted", {"n": Increment(1)}),
                Delete(f"{collection}/old"),
                Set(f"{collection}/last", {"n": 0}),
            ]
        )
        paths = ["new", "there", "none", "changed", "unstorable", "", "counted", "old", "last"]
        assert [result.path for result in results] == [f"{collection}/{p}" if p else "no document" for p in paths]
        errors = [None, AlreadyExistsError, NotFoundError, PreconditionError, DataError, DataError, None, None, None]
        assert [result.error and type(result.error) for result in results] == errors
        assert f"{collection}/there" in str(results[1].error)
        assert {document.id: document.data["n"] for document in store.query(Query(collection))} == {
            "new": 0,
            "there": 1,
            "changed": 2,
            "counted": 2,
            "last": 0,
        }

    def test_a_batch_holds_500_writes_to_different_documents(self, store: DocumentStore, collection: str) -> None:
        writes = [Create(f"{collection}/{number:03}", {}) for number in range(501)]
        with pytest.raises(DataError, match="501"):
            store.batch_write(writes)
        with pytest.raises(DataError, match=f"{collection}/000"):
            store.batch_write([*writes[:3], Delete(f"{collection}/000")])
        assert store.count(Query(collection)) == 0
        assert store.batch_write(writes[:500]) == [WriteResult(write.path, None) for write in writes[:500]]
        assert store.count(Query(collection)) == 500
        assert store.batch_write([]) == []

    def test_a_batch_that_is_sent_again_creates_nothing_twice(self, store: DocumentStore, collection: str) -> None:
        writes = [Create(f"{collection}/{number}", {"n": number}) for number in range(10)]
        store.batch_write(writes[:5])
        again = store.batch_write(writes)
        assert [isinstance(result.error, AlreadyExistsError) for result in again] == [True] * 5 + [False] * 5
        assert [document.data["n"] for document in store.query(Query(collection))] == list(range(10))


class TestSnapshots:
    """Snapshot."""

    def test_a_snapshot_sees_what_was_there_and_nothing_later(
        self, open_client: Callable[[], DocumentStore], collection: str
    ) -> None:
        reader, writer = open_client(), open_client()
        writer.commit([Set(f"{collection}/{name}", {"n": 1}) for name in ("kept", "changed", "gone")])
        with reader.snapshot() as snapshot:
            writer.commit([Set(f"{collection}/new", {"n": 1}), Set(f"{collection}/changed", {"n": 2})])
            writer.commit([Delete(f"{collection}/gone")])
            before = {"changed": 1, "gone": 1, "kept": 1}
            assert {found.id: found.data["n"] for found in snapshot.query(Query(collection))} == before
            assert list(snapshot.list_ids(collection)) == sorted(before)
            assert snapshot.count(Query(collection, (Filter("n", "==", 1),))) == 3
            assert snapshot.get(f"{collection}/new") is None
            found = snapshot.get_all([f"{collection}/{name}" for name in ("gone", "new", "changed")])
            assert [document and document.data["n"] for document in found] == [1, None, 1]
        assert list(reader.list_ids(collection)) == ["changed", "kept", "new"]

    def test_a_snapshot_says_which_moment_it_shows(self, store: DocumentStore, collection: str) -> None:
        time = store.commit([Set(f"{collection}/d", {})])
        with store.snapshot() as snapshot:
            assert time <= snapshot.read_time <= datetime.now(UTC) + timedelta(seconds=2)
            assert snapshot.read_time.utcoffset() == timedelta(0)

    def test_a_snapshot_refuses_what_makes_no_sense(self, store: DocumentStore, collection: str) -> None:
        with store.snapshot() as snapshot:
            for use in (
                lambda: snapshot.get(collection),
                lambda: snapshot.get_all([f"{collection}/a", collection]),
                lambda: snapshot.query(Query(f"{collection}/a")),
                lambda: snapshot.count(Query(collection, limit=0)),
                lambda: snapshot.list_ids(f"{collection}/a"),
            ):
                with pytest.raises(DataError):
                    use()
        for use in (lambda: snapshot.get(f"{collection}/d"), lambda: snapshot.count(Query(collection))):
            with pytest.raises(RuntimeError, match="has ended"):
                use()

    def test_a_snapshot_of_an_empty_store_is_empty(self, store: DocumentStore, collection: str) -> None:
        with store.snapshot() as snapshot:
            assert list(snapshot.query(Query(collection))) == []
            assert snapshot.get(f"{collection}/d") is None

    def test_an_error_within_a_snapshot_comes_out_as_it_is(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/d", {})])
        error = ConnectionResetError("of somebody else's server")
        with pytest.raises(ConnectionResetError) as raised, store.snapshot():
            raise error
        assert raised.value is error
        assert store.get(f"{collection}/d") is not None

    def test_inv_03_two_reads_of_a_snapshot_agree_while_others_write(
        self, open_client: Callable[[], DocumentStore], collection: str
    ) -> None:
        reader, writer = open_client(), open_client()
        writer.commit([Create(f"{collection}/batch", {"ids": []})])
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                writer.commit(
                    [
                        Create(f"{collection}/batch/completions/{number:06}", {}),
                        Update(f"{collection}/batch", {"count": Increment(1)}),
                    ]
                )

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(20):
                with reader.snapshot() as snapshot:
                    batch = snapshot.get(f"{collection}/batch")
                    ids = list(snapshot.list_ids(f"{collection}/batch/completions"))
                    counted = snapshot.count(Query(f"{collection}/batch/completions"))
                assert batch is not None
                assert batch.data.get("count", 0) == len(ids) == counted
        finally:
            stop.set()
            thread.join()


class TestInterruptions:
    """The dangerous instants of a commit, by the fault points that every engine has."""

    def test_inv_20_what_ends_before_the_commit_changed_nothing(self, store: DocumentStore, collection: str) -> None:
        stopped = UnavailableError("stopped here")
        for write in self._ways_to_create(store, f"{collection}/d"):
            with faults.failing("documents.before_commit", stopped), pytest.raises(UnavailableError) as raised:
                write()
            assert raised.value is stopped
            assert store.get(f"{collection}/d") is None
        store.commit([Create(f"{collection}/d", {})])

    def test_inv_20_what_ends_after_the_commit_is_done_and_is_not_done_again(
        self, store: DocumentStore, collection: str
    ) -> None:
        stopped = UnavailableError("stopped here")
        for number, write in enumerate(self._ways_to_create(store, f"{collection}/d")):
            with faults.failing("documents.after_commit", stopped), pytest.raises(UnavailableError) as raised:
                write()
            assert raised.value is stopped
            document = store.get(f"{collection}/d")
            assert document is not None, number
            store.commit([Delete(f"{collection}/d")])

    def _ways_to_create(self, store: DocumentStore, path: str) -> list[Callable[[], object]]:
        def create_if_missing(transaction: Transaction) -> None:
            if transaction.get(path) is None:
                transaction.write(Create(path, {}))

        return [
            lambda: store.commit([Create(path, {})]),
            lambda: store.batch_write([Create(path, {})]),
            lambda: store.transaction(create_if_missing),
        ]

    def test_a_transaction_that_is_overtaken_is_run_again_on_what_is_there_now(
        self, open_client: Callable[[], DocumentStore], collection: str, engine: Engine
    ) -> None:
        """Only an engine that lets others write meanwhile is overtaken; both end the same."""
        store, other = open_client(), open_client()
        store.commit([Create(f"{collection}/read", {"n": 1}), Create(f"{collection}/written", {"n": 0})])
        overtaking: list[threading.Thread] = []

        def overtake() -> None:
            other.commit([Update(f"{collection}/read", {"n": Increment(1)})])

        def copy(transaction: Transaction) -> int:
            document = transaction.get(f"{collection}/read")
            assert document is not None
            if not overtaking:
                overtaking.append(threading.Thread(target=overtake))
                overtaking[0].start()
                overtaking[0].join(timeout=0.5)
            transaction.write(Update(f"{collection}/written", {"n": document.data["n"]}))
            number: int = document.data["n"]
            return number

        copied = store.transaction(copy)
        overtaking[0].join()
        written = store.get(f"{collection}/written")
        assert written is not None
        assert written.data == {"n": copied}
        # Serial: either the copy came first, or it saw the change.
        assert copied == (1 if engine.capabilities.writers_wait else 2)

    def test_a_query_of_a_transaction_holds_until_its_commit(
        self, open_client: Callable[[], DocumentStore], collection: str, engine: Engine
    ) -> None:
        store, other = open_client(), open_client()
        overtaking: list[threading.Thread] = []

        def count(transaction: Transaction) -> None:
            found = transaction.query(Query(f"{collection}/x/members", (Filter("n", ">", 0),)))
            if not overtaking:
                new = Create(f"{collection}/x/members/new", {"n": 1})
                overtaking.append(threading.Thread(target=other.commit, args=([new],)))
                overtaking[0].start()
                overtaking[0].join(timeout=0.5)
            transaction.write(Set(f"{collection}/x", {"members": len(found)}))

        store.transaction(count)
        overtaking[0].join()
        document = store.get(f"{collection}/x")
        assert document is not None
        assert document.data == {"members": 0 if engine.capabilities.writers_wait else 1}
