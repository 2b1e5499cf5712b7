"""Conformance: commits are atomic, conditions hold, transforms do what Firestore's do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, PreconditionError
from nbactl.ports.documents import (
    DELETE_FIELD,
    SERVER_TIME,
    ArrayRemove,
    ArrayUnion,
    Create,
    Delete,
    Document,
    Increment,
    Query,
    Set,
    Update,
)
from tests.conformance.documents.test_values import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore, FieldPath

pytestmark = pytest.mark.variants


A_MOMENT = timedelta(seconds=1)


def read(store: DocumentStore, path: str) -> Document:
    document = store.get(path)
    assert document is not None
    return document


class TestWrites:
    """Create, Set, Update, Delete."""

    def test_create_refuses_what_is_there(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/d", {"v": 1})])
        with pytest.raises(AlreadyExistsError, match=f"{collection}/d"):
            store.commit([Create(f"{collection}/d", {"v": 2})])
        assert read(store, f"{collection}/d").data == {"v": 1}

    def test_set_replaces_the_whole_and_keeps_the_time_of_creation(self, store: DocumentStore, collection: str) -> None:
        created = store.commit([Set(f"{collection}/d", {"a": 1, "b": {"c": 2}})])
        changed = store.commit([Set(f"{collection}/d", {"b": {"d": 3}})])
        document = read(store, f"{collection}/d")
        assert document.data == {"b": {"d": 3}}
        assert (document.create_time, document.update_time) == (created, changed)

    def test_update_changes_the_named_fields_only(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/d", {"a": 1, "map": {"x": 1, "y": {"z": 1}}, "a.b": 0})])
        store.commit([Update(f"{collection}/d", {"a": 2, ("map", "y", "w"): 3, "a.b": 9, ("new", "deep"): [1]})])
        assert read(store, f"{collection}/d").data == {
            "a": 2,
            "map": {"x": 1, "y": {"z": 1, "w": 3}},
            "a.b": 9,
            "new": {"deep": [1]},
        }

    def test_update_replaces_a_map_that_is_named_itself(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/d", {"map": {"x": 1}, "n": 1})])
        store.commit([Update(f"{collection}/d", {"map": {"y": 2}, ("n", "is", "a map now"): True})])
        assert read(store, f"{collection}/d").data == {"map": {"y": 2}, "n": {"is": {"a map now": True}}}

    def test_delete_field_removes_it_and_a_missing_one_is_no_error(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/d", {"a": 1, "map": {"x": 1, "y": 2}, "n": 5})])
        gone: dict[FieldPath, Any] = {
            "a": DELETE_FIELD,
            ("map", "x"): DELETE_FIELD,
            "none": DELETE_FIELD,
            ("n", "o"): DELETE_FIELD,
        }
        store.commit([Update(f"{collection}/d", gone)])
        assert read(store, f"{collection}/d").data == {"map": {"y": 2}, "n": 5}

    def test_update_refuses_what_is_not_there(self, store: DocumentStore, collection: str) -> None:
        with pytest.raises(NotFoundError, match=f"{collection}/d"):
            store.commit([Update(f"{collection}/d", {"a": 1})])
        assert store.get(f"{collection}/d") is None

    def test_delete_removes_and_may_insist(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/d", {})])
        store.commit([Delete(f"{collection}/d", must_exist=True)])
        assert store.get(f"{collection}/d") is None
        store.commit([Delete(f"{collection}/d")])
        with pytest.raises(NotFoundError):
            store.commit([Delete(f"{collection}/d", must_exist=True)])

    def test_writes_may_hang_on_the_time_of_the_last_change(self, store: DocumentStore, collection: str) -> None:
        path = f"{collection}/d"
        store.commit([Create(path, {"v": 1})])
        seen = read(store, path).update_time
        store.commit([Update(path, {"v": 2}, if_updated_at=seen)])
        for write in (Update(path, {"v": 3}, if_updated_at=seen), Delete(path, if_updated_at=seen)):
            with pytest.raises(PreconditionError):
                store.commit([write])
        assert read(store, path).data == {"v": 2}
        store.commit([Delete(path, if_updated_at=read(store, path).update_time)])
        for write in (Update(path, {"v": 3}, if_updated_at=seen), Delete(path, if_updated_at=seen)):
            with pytest.raises((PreconditionError, NotFoundError)):
                store.commit([write])

    def test_inv_02_a_commit_is_all_or_nothing(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/there", {"n": 1}), Create(f"{collection}/old", {})])
        store.commit([Create(f"{collection}/in the way", {})])
        before = read(store, f"{collection}/there")
        with pytest.raises(AlreadyExistsError):
            store.commit(
                [
                    Create(f"{collection}/new", {}),
                    Update(f"{collection}/there", {"n": Increment(1)}),
                    Delete(f"{collection}/old"),
                    Create(f"{collection}/in the way", {}),
                ]
            )
        assert store.get(f"{collection}/new") is None
        assert store.get(f"{collection}/old") is not None
        assert read(store, f"{collection}/there") == before

    def test_writes_to_one_document_apply_in_order(self, store: DocumentStore, collection: str) -> None:
        path = f"{collection}/d"
        time = store.commit(
            [Create(path, {"n": 1}), Update(path, {"n": Increment(1)}), Update(path, {"n": Increment(1), "m": 1})]
        )
        assert read(store, path) == Document(path, {"n": 3, "m": 1}, time, time)
        store.commit([Delete(path), Create(path, {"n": 0})])
        assert read(store, path).data == {"n": 0}
        store.commit([Set(path, {"n": 9}), Delete(path)])
        assert store.get(path) is None
        with pytest.raises((NotFoundError, DataError)):
            store.commit([Create(path, {}), Delete(path), Update(path, {"n": 1})])
        assert store.get(path) is None

    def test_all_documents_of_a_commit_have_its_time(self, store: DocumentStore, collection: str) -> None:
        time = store.commit([Create(f"{collection}/{name}", {"at": SERVER_TIME}) for name in "abc"])
        stored = {document.data["at"] for document in store.query(Query(collection))}
        assert len(stored) == 1
        assert abs(stored.pop() - time) <= A_MOMENT
        assert {document.update_time for document in store.query(Query(collection))} == {time}

    def test_the_time_of_change_only_grows(self, store: DocumentStore, collection: str) -> None:
        path = f"{collection}/d"
        store.commit([Set(path, {"n": 0})])
        times = [read(store, path).update_time]
        for _ in range(50):
            store.commit([Update(path, {"n": Increment(1)})])
            times.append(read(store, path).update_time)
        assert times == sorted(set(times))

    def test_a_commit_of_nothing_is_no_error(self, store: DocumentStore) -> None:
        assert store.commit([]).utcoffset() == timedelta(0)


class TestTransforms:
    """Increment, ArrayUnion, ArrayRemove, SERVER_TIME."""

    @pytest.mark.parametrize(
        ("old", "transform", "new"),
        [
            (1, Increment(2), 3),
            (1, Increment(-3), -2),
            (1, Increment(0.5), 1.5),
            (1.5, Increment(1), 2.5),
            (None, Increment(4), 4),
            ("text", Increment(4), 4),
            (True, Increment(4), 4),
            (2**63 - 1, Increment(1), 2**63 - 1),
            (-(2**63), Increment(-1), -(2**63)),
            ([1, 2], ArrayUnion((2, 3, 3)), [1, 2, 3]),
            ([1, 1], ArrayUnion((2,)), [1, 1, 2]),
            ("text", ArrayUnion((1,)), [1]),
            ([1], ArrayUnion((1.0, True, "1")), [1, True, "1"]),
            ([{"a": 1, "b": 2}], ArrayUnion(({"b": 2, "a": 1}, {"a": 1})), [{"a": 1, "b": 2}, {"a": 1}]),
            ([1, 2, 1, True], ArrayRemove((1, 9)), [2, True]),
            ([{"a": [1]}, None], ArrayRemove(({"a": [1]},)), [None]),
            (5, ArrayRemove((5,)), []),
        ],
        ids=repr,
    )
    def test_a_transform_works_on_what_is_there(
        self, store: DocumentStore, collection: str, old: Any, transform: Any, new: Any
    ) -> None:
        store.commit([Set(f"{collection}/d", {"v": old, "in": {"v": old}})])
        store.commit([Update(f"{collection}/d", {"v": transform, ("in", "v"): transform})])
        data = read(store, f"{collection}/d").data
        assert shown(data) == shown({"v": new, "in": {"v": new}})

    @pytest.mark.parametrize(
        ("transform", "new"), [(Increment(2), 2), (ArrayUnion((1, 1, 2)), [1, 2]), (ArrayRemove((1,)), [])], ids=repr
    )
    def test_a_transform_of_a_missing_field_begins_with_nothing(
        self, store: DocumentStore, collection: str, transform: Any, new: Any
    ) -> None:
        store.commit([Create(f"{collection}/d", {"v": transform, "in": {"v": transform}})])
        assert read(store, f"{collection}/d").data == {"v": new, "in": {"v": new}}
        store.commit([Update(f"{collection}/d", {"w": transform, "in": {"w": transform}})])
        assert read(store, f"{collection}/d").data == {"v": new, "w": new, "in": {"w": new}}

    def test_server_time_is_the_commits_own(self, store: DocumentStore, collection: str) -> None:
        time = store.commit([Set(f"{collection}/d", {"at": SERVER_TIME, "in": {"at": SERVER_TIME}})])
        data = read(store, f"{collection}/d").data
        assert data == {"at": data["at"], "in": {"at": data["at"]}}
        assert abs(data["at"] - time) <= A_MOMENT
        assert time > datetime(2024, 1, 1, tzinfo=UTC)

    def test_inv_01_creating_and_counting_in_one_commit_counts_once(
        self, open_client: Callable[[], DocumentStore], collection: str, contenders: int
    ) -> None:
        store = open_client()
        store.commit([Create(f"{collection}/batch", {"count": 0})])
        refused: list[AlreadyExistsError] = []

        def complete() -> None:
            for player in range(10):
                try:
                    store.commit(
                        [
                            Create(f"{collection}/batch/completions/{player}", {"at": SERVER_TIME}),
                            Update(f"{collection}/batch", {"count": Increment(1)}),
                        ]
                    )
                except AlreadyExistsError as error:
                    refused.append(error)

        threads = [threading.Thread(target=complete) for _ in range(contenders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read(store, f"{collection}/batch").data["count"] == 10
        assert store.count(Query(f"{collection}/batch/completions")) == 10
        assert len(refused) == 10 * (contenders - 1)
