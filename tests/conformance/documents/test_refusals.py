"""Conformance: what no engine stores is refused by all, and nothing of it remains."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import DataError
from nbactl.ports.documents import (
    DELETE_FIELD,
    SERVER_TIME,
    ArrayUnion,
    Create,
    Document,
    Filter,
    Increment,
    Order,
    Query,
    Set,
    Update,
)

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

pytestmark = pytest.mark.variants


class Colour(enum.Enum):
    RED = 1


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        data = {"in": data}
    return data


UNSTORABLE: dict[str, Any] = {
    "not a number": float("nan"),
    "infinity": float("-inf"),
    "naive datetime": datetime(2024, 1, 15),  # noqa: DTZ001 - the point
    "year 10000 in UTC": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))),
    "date": date(2024, 1, 15),
    "set": {1},
    "tuple": (1, 2),
    "decimal": Decimal(1),
    "object": object(),
    "enum": Colour.RED,
    "65 bits": 2**63,
    "65 bits below": -(2**63) - 1,
    "list in a list": [[1]],
    "integer key": {1: "a"},
    "empty key": {"": 1},
    "reserved key": {"__name__": 1},
    "long key": {"k" * 1501: 1},
    "lone surrogate": "\ud800",
    "lone surrogate in a key": {"\ud800": 1},
    "transform in a list": [SERVER_TIME],
    "deleting inside a value": {"a": DELETE_FIELD},
    "21 levels": nested(21),
}

BAD_DOCUMENT_PATHS = [
    "",
    "a",
    "a/b/c",
    "/a",
    "a/",
    "a//b/c",
    "a/.",
    "a/..",
    "../a",
    "a/__id__",
    "__c__/a",
    "a/" + "x" * 1501,
    "a/\ud800",
    "/".join(["c" * 1000] * 8),
]


class TestRefusals:
    """DataError, and nothing written."""

    @pytest.mark.parametrize("value", UNSTORABLE.values(), ids=UNSTORABLE)
    def test_what_cannot_be_stored_is_refused_wherever_it_stands(
        self, store: DocumentStore, collection: str, value: Any
    ) -> None:
        store.commit([Create(f"{collection}/there", {"kept": 1})])
        for write in (
            Create(f"{collection}/d", {"v": value}),
            Set(f"{collection}/there", {"deep": {"list": [{"v": value}]}}),
            Update(f"{collection}/there", {("deep", "v"): [{"v": value}]}),
        ):
            with pytest.raises(DataError):
                store.commit([Create(f"{collection}/before", {}), write])
        assert store.get(f"{collection}/before") is None
        kept = store.get(f"{collection}/there")
        assert kept is not None
        assert kept.data == {"kept": 1}

    def test_the_message_names_the_field(self, store: DocumentStore, collection: str) -> None:
        with pytest.raises(DataError, match=rf"{collection}/d\.stats\.points\[1\] is nan"):
            store.commit([Set(f"{collection}/d", {"stats": {"points": [1, float("nan")]}})])

    @pytest.mark.parametrize("path", BAD_DOCUMENT_PATHS, ids=lambda path: ascii(path)[:20])
    def test_paths_that_firestore_refuses_are_refused(self, store: DocumentStore, path: str) -> None:
        for use in (
            lambda: store.get(path),
            lambda: store.get_all([path]),
            lambda: store.commit([Set(path, {})]),
        ):
            with pytest.raises(DataError):
                use()

    @pytest.mark.parametrize("path", ["", "a/b", "a//b", "__c__", "a/b/.."])
    def test_collections_that_cannot_be_are_refused_when_asked_for(self, store: DocumentStore, path: str) -> None:
        for use in (
            lambda: store.query(Query(path)),
            lambda: store.count(Query(path)),
            lambda: store.list_ids(path),
        ):
            with pytest.raises(DataError):
                use()

    def test_20_levels_are_stored(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/d", {"v": nested(18)})])
        assert store.get(f"{collection}/d") is not None

    def test_a_document_over_one_mebibyte_is_refused(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/d", {"text": "x" * 1_040_000})])
        for data in ({"text": "x" * 1_048_577}, {"text": "é" * 524_289}, {"n": list(range(131_072))}):
            with pytest.raises(DataError, match="too large"):
                store.commit([Set(f"{collection}/d", data)])

    def test_growing_past_one_mebibyte_is_refused_too(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/d", {"list": ["x" * 1_000_000]})])
        with pytest.raises(DataError, match="too large"):
            store.commit([Update(f"{collection}/d", {"list": ArrayUnion(("y" * 100_000,))})])

    def test_500_writes_fit_and_501_do_not(self, store: DocumentStore, collection: str) -> None:
        writes = [Create(f"{collection}/{number:03}", {}) for number in range(501)]
        with pytest.raises(DataError, match="501"):
            store.commit(writes)
        with pytest.raises(DataError, match="501"):
            store.transaction(lambda transaction: transaction.write(*writes))
        assert store.count(Query(collection)) == 0
        store.commit(writes[:500])
        assert store.count(Query(collection)) == 500

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"a": 1, ("a", "b"): 2},
            {"a": 1, ("a",): 2},
            {("a", "b", "c"): 1, ("a", "b"): 2, "a.b": 3},
            {(): 1},
            {"": 1},
            {("a", ""): 1},
            {"__a__": 1},
            {"a": Increment(float("inf"))},
            {"a": Increment("1")},  # type: ignore[arg-type]
            {"a": ArrayUnion(([1],))},
        ],
        ids=repr,
    )
    def test_updates_that_make_no_sense_are_refused(
        self, store: DocumentStore, collection: str, fields: dict[Any, Any]
    ) -> None:
        store.commit([Create(f"{collection}/d", {"x": 1})])
        with pytest.raises(DataError):
            store.commit([Update(f"{collection}/d", fields)])
        document = store.get(f"{collection}/d")
        assert document is not None
        assert document.data == {"x": 1}

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 0},
            {"limit": -1},
            {"filters": (Filter("a", "in", []),)},
            {"filters": (Filter("a", "in", list(range(31))),)},
            {"filters": (Filter("a", "in", "text"),)},
            {"filters": (Filter("a", "in", [None]),)},
            {"filters": (Filter("a", "<", None),)},
            {"filters": (Filter("a", "==", float("nan")),)},
            {"filters": (Filter("a", "array-contains", [1]),)},
            {"filters": (Filter((), "==", 1),)},
            {"order": (Order(""),)},
        ],
        ids=repr,
    )
    def test_queries_that_make_no_sense_are_refused_when_asked(
        self, store: DocumentStore, collection: str, query: dict[str, Any]
    ) -> None:
        with pytest.raises(DataError):
            store.query(Query(collection, **query))
        with pytest.raises(DataError):
            store.count(Query(collection, **query))

    def test_a_cursor_must_be_of_the_collection_and_have_the_ordered_field(
        self, store: DocumentStore, collection: str
    ) -> None:
        now = datetime(2024, 1, 15, tzinfo=UTC)
        elsewhere, without = Document("elsewhere/a", {"v": 1}, now, now), Document(f"{collection}/a", {}, now, now)
        for cursor in (elsewhere, without):
            with pytest.raises(DataError):
                store.query(Query(collection, order=(Order("v"),), start_after=cursor))
