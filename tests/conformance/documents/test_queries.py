"""Conformance: queries mean what Firestore's mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.ports.documents import Create, Delete, Filter, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import Document, DocumentStore

pytestmark = pytest.mark.variants


EARLY, LATE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, 12, 30, 0, 1, tzinfo=UTC)

PEOPLE: dict[str, dict[str, Any]] = {
    "doncic": {"team": "DAL", "points": 33, "born": EARLY, "in": {"rank": 1}, "tags": ["guard", 77, {"a": 1}]},
    "irving": {"team": "DAL", "points": 25.5, "born": LATE, "in": {"rank": 2}, "tags": ["guard"]},
    "tatum": {"team": "BOS", "points": 27, "in": {"rank": None}, "tags": [], "out": True},
    "brown": {"team": "BOS", "points": None, "in": 3, "tags": "guard", "out": False},
    "rookie": {"team": "", "points": "27"},
    "bare": {},
}

FILTERED: list[tuple[tuple[tuple[Any, Any, Any], ...], list[str]]] = [
    ((), ["bare", "brown", "doncic", "irving", "rookie", "tatum"]),
    ((("team", "==", "DAL"),), ["doncic", "irving"]),
    ((("team", "==", ""),), ["rookie"]),
    ((("team", "!=", "DAL"),), ["brown", "rookie", "tatum"]),
    ((("points", "==", 27),), ["tatum"]),
    ((("points", "==", 27.0),), ["tatum"]),
    ((("points", "==", "27"),), ["rookie"]),
    ((("points", "==", None),), ["brown"]),
    ((("points", "!=", None),), ["doncic", "irving", "rookie", "tatum"]),
    ((("points", "!=", 27),), ["doncic", "irving", "rookie"]),
    ((("points", ">", 25.5),), ["doncic", "tatum"]),
    ((("points", ">=", 25.5),), ["doncic", "irving", "tatum"]),
    ((("points", "<", 27),), ["irving"]),
    ((("points", "<=", 27), ("points", ">", 0)), ["irving", "tatum"]),
    ((("points", ">", ""),), ["rookie"]),
    ((("points", "==", True),), []),
    ((("out", "==", True),), ["tatum"]),
    ((("out", "==", 1),), []),
    ((("out", "<", True),), ["brown"]),
    ((("out", "in", [True, False]),), ["brown", "tatum"]),
    ((("born", "<", LATE),), ["doncic"]),
    ((("born", "<=", LATE),), ["doncic", "irving"]),
    ((("born", "==", LATE),), ["irving"]),
    ((("born", ">", EARLY), ("team", "==", "BOS")), []),
    (((("in", "rank"), "==", 1),), ["doncic"]),
    (((("in", "rank"), ">=", 1),), ["doncic", "irving"]),
    (((("in", "rank"), "==", None),), ["tatum"]),
    (((("in", "rank", "deeper"), "==", 1),), []),
    ((("in.rank", "==", 1),), []),
    ((("in", "==", {"rank": 1}),), ["doncic"]),
    ((("in", "==", {"rank": 1.0}),), ["doncic"]),
    ((("tags", "==", ["guard"]),), ["irving"]),
    ((("tags", "==", []),), ["tatum"]),
    ((("tags", "array-contains", "guard"),), ["doncic", "irving"]),
    ((("tags", "array-contains", 77.0),), ["doncic"]),
    ((("tags", "array-contains", {"a": 1}),), ["doncic"]),
    ((("tags", "array-contains", None),), []),
    ((("team", "in", ["BOS", "LAL", ""]),), ["brown", "rookie", "tatum"]),
    ((("points", "in", [27, "27", 33.0]),), ["doncic", "rookie", "tatum"]),
    ((("in", "in", [3, {"rank": 2}]),), ["brown", "irving"]),
    ((("none", "!=", 1),), []),
]
"""Filters on PEOPLE, and whom they find."""


def ids(documents: Any) -> list[str]:
    return [document.id for document in documents]


class TestQueries:
    """Filters, order, cursors, streams."""

    @pytest.fixture
    def people(self, store: DocumentStore, collection: str) -> Callable[..., list[str]]:
        store.commit([Create(f"{collection}/{name}", data) for name, data in PEOPLE.items()])

        def search(*filters: Filter, **rest: Any) -> list[str]:
            query = Query(collection, filters, **rest)
            found = ids(store.query(query))
            assert store.count(query) == len(found)
            return found

        return search

    def test_filters_find_their_documents(self, people: Callable[..., list[str]]) -> None:
        wrong = []
        for filters, wanted in FILTERED:
            found = sorted(people(*(Filter(*item) for item in filters)))
            if found != wanted:
                wrong.append((filters, found, wanted))
        assert wrong == []

    @pytest.mark.parametrize(
        ("filters", "order", "found"),
        [
            ((("team", "in", ["DAL", "BOS"]),), (), ["brown", "doncic", "irving", "tatum"]),
            ((("points", ">", 0),), (), ["irving", "tatum", "doncic"]),
            ((("points", "!=", None),), (), ["irving", "tatum", "doncic", "rookie"]),
            ((("points", ">", 0), ("team", ">", "")), (), ["irving", "tatum", "doncic"]),
            ((("points", ">", 0),), (Order("team"),), ["tatum", "irving", "doncic"]),
            ((("points", ">", 0),), (Order("team", descending=True),), ["doncic", "irving", "tatum"]),
        ],
        ids=repr,
    )
    def test_inequalities_order_after_what_is_asked_for_and_before_the_id(
        self,
        people: Callable[..., list[str]],
        filters: tuple[tuple[Any, Any, Any], ...],
        order: tuple[Order, ...],
        found: list[str],
    ) -> None:
        assert people(*(Filter(*item) for item in filters), order=order) == found

    @pytest.mark.parametrize(
        ("order", "found"),
        [
            ((Order("points"),), ["brown", "irving", "tatum", "doncic", "rookie"]),
            ((Order("points", descending=True),), ["rookie", "doncic", "tatum", "irving", "brown"]),
            ((Order("team"),), ["rookie", "brown", "tatum", "doncic", "irving"]),
            ((Order("team", descending=True),), ["irving", "doncic", "tatum", "brown", "rookie"]),
            ((Order("team", descending=True), Order("points")), ["irving", "doncic", "brown", "tatum", "rookie"]),
            ((Order(("in", "rank")),), ["tatum", "doncic", "irving"]),
            ((Order("born", descending=True),), ["irving", "doncic"]),
            ((Order("none"),), []),
        ],
        ids=repr,
    )
    def test_an_order_sorts_and_leaves_out_what_lacks_the_field(
        self, people: Callable[..., list[str]], order: tuple[Order, ...], found: list[str]
    ) -> None:
        assert people(order=order) == found
        assert people(order=order, limit=2) == found[:2]

    def test_types_sort_in_firestores_order(self, store: DocumentStore, collection: str) -> None:
        values: list[Any] = [None, False, True, -(2**63), -1.5, 0, 0.5, 2**53, 2**53 + 1, 1e300, EARLY, LATE]
        values += ["", "\x00", "\x00a", "\x01", "\x01\x03", "\x02", "A", "a", "a\x00", "aa", "é", "東", "🏀"]
        values += [[], [1], [1, 2], [2], {}, {"a": 1}, {"a": 1, "b": 0}, {"a": 2}, {"b": 0}]
        store.commit([Set(f"{collection}/{n * 7919 % 1000:03}", {"v": v, "n": n}) for n, v in enumerate(values)])
        up = [document.data["n"] for document in store.query(Query(collection, order=(Order("v"),)))]
        assert up == list(range(len(values)))
        down = [document.data["n"] for document in store.query(Query(collection, order=(Order("v", descending=True),)))]
        assert down == up[::-1]

    @pytest.mark.parametrize("descending", [False, True])
    def test_pages_join_to_the_whole(self, store: DocumentStore, collection: str, descending: bool) -> None:
        values = [None, True, 1, 1, 1.0, 2, "a", "a", EARLY, [1], [1], {"a": 1}, "b", 2, None]
        store.commit([Set(f"{collection}/{n:02}", {"v": v, "in": {"w": n % 3}}) for n, v in enumerate(values)])
        for order in ((), (Order("v", descending),), (Order(("in", "w"), descending), Order("v", not descending))):
            whole = Query(collection, order=order)
            pages: list[Document] = []
            while page := list(store.query(replace(whole, limit=2, start_after=pages[-1] if pages else None))):
                assert len(page) <= 2
                pages += page
            assert ids(pages) == ids(store.query(whole))
            assert len(pages) == len(values)

    def test_a_cursor_may_have_been_deleted(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/{name}", {"v": 1}) for name in "abc"])
        cursor = store.get(f"{collection}/b")
        store.commit([Delete(f"{collection}/b")])
        assert ids(store.query(Query(collection, order=(Order("v"),), start_after=cursor))) == ["c"]

    def test_filters_order_limit_and_cursor_work_together(self, people: Callable[..., list[str]]) -> None:
        filters = (Filter("team", "in", ["DAL", "BOS"]), Filter("points", ">", 0))
        assert people(*filters, order=(Order("points", descending=True),), limit=2) == ["doncic", "tatum"]

    @pytest.mark.parametrize("key", ["a.b", "`", '"', "'", "\\", "%41", "\n", "é", "$", "0", "[0]", "#", "--"])
    def test_any_key_can_be_asked_for(self, store: DocumentStore, collection: str, key: str) -> None:
        store.commit([Set(f"{collection}/d", {key: 1, "in": {key: {key: 2}}}), Set(f"{collection}/e", {"other": 1})])
        assert ids(store.query(Query(collection, (Filter(key, "==", 1),)))) == ["d"]
        assert ids(store.query(Query(collection, (Filter(("in", key, key), ">", 1),), (Order((key,)),)))) == ["d"]

    @pytest.mark.parametrize("text", ["' OR 1=1 --", "\x00", "\x01", "%", "_", '"', "é", "\ufeff", "\U0010ffff"])
    def test_any_text_can_be_asked_for(self, store: DocumentStore, collection: str, text: str) -> None:
        store.commit([Set(f"{collection}/d", {"v": text, "l": [text]}), Set(f"{collection}/e", {"v": "x", "l": ["x"]})])
        assert ids(store.query(Query(collection, (Filter("v", "==", text),)))) == ["d"]
        assert ids(store.query(Query(collection, (Filter("l", "array-contains", text),)))) == ["d"]
        assert ids(store.query(Query(collection, (Filter("v", "in", [text]),)))) == ["d"]

    def test_ids_are_listed_in_order_of_their_bytes(self, store: DocumentStore, collection: str) -> None:
        names = ["Z", "a", "a-", "a.b", "aa", "b", "é", "東", "🏀", "10", "9"]
        store.commit([Set(f"{collection}/{name}", {}) for name in names])
        assert list(store.list_ids(collection)) == sorted(names, key=str.encode)
        assert ids(store.query(Query(collection))) == sorted(names, key=str.encode)

    def test_a_stream_shows_one_moment_and_lets_others_write(
        self, open_client: Callable[[], DocumentStore], collection: str, many: int
    ) -> None:
        reader, writer = open_client(), open_client()
        for start in range(0, many, 500):
            writer.commit([Set(f"{collection}/{n:06}", {"n": n}) for n in range(start, start + 500)])
        stream = reader.query(Query(collection))
        first = next(stream)
        writer.commit([Set(f"{collection}/{many - 1:06}", {"n": -1}), Set(f"{collection}/zzz", {"n": -1})])
        writer.commit([Delete(f"{collection}/{many - 2:06}")])
        rest = list(stream)
        assert [first.data["n"], *(document.data["n"] for document in rest)] == list(range(many))
        assert reader.count(Query(collection)) == many

    def test_a_stream_may_be_left_before_its_end(self, store: DocumentStore, collection: str) -> None:
        store.commit([Set(f"{collection}/{n}", {}) for n in range(10)])
        for _ in range(50):
            stream = store.query(Query(collection))
            next(stream)
            del stream
        assert store.count(Query(collection, limit=3)) == 3
        store.commit([Set(f"{collection}/x", {})])

    def test_documents_without_a_field_are_found(self, store: DocumentStore, collection: str) -> None:
        assert ids(store.lacking(collection, "team")) == []
        store.commit([Create(f"{collection}/{name}", data) for name, data in PEOPLE.items()])
        assert ids(store.lacking(collection, "team")) == ["bare"]
        assert ids(store.lacking(collection, "points")) == ["bare"], "null is a value"
        assert ids(store.lacking(collection, "born")) == ["bare", "brown", "rookie", "tatum"]
