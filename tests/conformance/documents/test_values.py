"""Conformance: values come back as they went in."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.ports.documents import Create, Filter, Query, Set

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

pytestmark = pytest.mark.variants


MOMENT = datetime(2024, 1, 15, 23, 59, 59, 999_999, tzinfo=UTC)

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    0.0,
    -0.0,
    0.1,
    1e308,
    5e-324,
    "",
    "text",
    "Dončić, 東京 🏀",
    'quotes " and \\ and % and /',
    "\x00\x01\x02\n\t\x7f",
    "2024-01-15T00:00:00+00:00",
    MOMENT,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    [],
    [1, "a", None, 2.5, True, MOMENT, {"in": ["a", {"map": []}]}],
    {},
    {"a": {"b": {"c": MOMENT}}},
    {"key with spaces": 1, "a.b": 2, "`": 3, "é": 4, '"': 5, "\\": 6, "%41": 7, "\x00\n": 8, "$": 9, "0": 10, "_x": 11},
]


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Ratio(float):
    pass


def shown(value: Any) -> str:
    """Tell values of different types apart, but not the order of a map's keys, nor the sign of zero."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {shown(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value).replace("-0.0", "0.0")


class TestValues:
    """Round trips."""

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_a_value_comes_back_with_its_type(self, store: DocumentStore, collection: str, value: Any) -> None:
        store.commit([Create(f"{collection}/d", {"value": value})])
        document = store.get(f"{collection}/d")
        assert document is not None
        assert document.data == {"value": value}
        assert shown(document.data["value"]) == shown(value)

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_a_value_is_found_by_what_it_is(self, store: DocumentStore, collection: str, value: Any) -> None:
        store.commit([Set(f"{collection}/d", {"value": value}), Set(f"{collection}/other", {"value": "another value"})])
        found = store.query(Query(collection, (Filter("value", "==", value),)))
        assert [document.id for document in found] == ["d"]

    def test_subclasses_come_back_as_the_plain_type(self, store: DocumentStore, collection: str) -> None:
        store.commit(
            [Create(f"{collection}/d", {"s": Colour.RED, "n": Number.ONE, "f": Ratio(0.5), "l": [Number.ONE]})]
        )
        document = store.get(f"{collection}/d")
        assert document is not None
        assert {name: (value, type(value)) for name, value in document.data.items()} == {
            "s": ("red", str),
            "n": (1, int),
            "f": (0.5, float),
            "l": ([1], list),
        }
        assert store.count(Query(collection, (Filter("s", "==", Colour.RED), Filter("n", "==", Number.ONE)))) == 1

    def test_inv_14_times_are_kept_to_the_microsecond_and_come_back_in_utc(
        self, store: DocumentStore, collection: str
    ) -> None:
        eastern = datetime(2024, 3, 10, 1, 59, 59, 123_456, tzinfo=timezone(timedelta(hours=-5)))
        store.commit([Create(f"{collection}/d", {"at": eastern})])
        document = store.get(f"{collection}/d")
        assert document is not None
        assert document.data["at"] == eastern
        assert document.data["at"].utcoffset() == timedelta(0)

    def test_a_document_has_its_path_its_id_and_its_times(self, store: DocumentStore, collection: str) -> None:
        time = store.commit([Create(f"{collection}/run-1/tasks/schedule", {"status": "running"})])
        document = store.get(f"{collection}/run-1/tasks/schedule")
        assert document is not None
        assert (document.path, document.id) == (f"{collection}/run-1/tasks/schedule", "schedule")
        assert document.create_time == document.update_time == time
        assert time.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("name", ["a", "A-b_c.d~e", "%2F", "é🏀", "x" * 1500, "...", "_x_", "__x", "a b"])
    def test_ids_are_free_text(self, store: DocumentStore, collection: str, name: str) -> None:
        store.commit([Create(f"{collection}/{name}", {})])
        document = store.get(f"{collection}/{name}")
        assert document is not None
        assert document.id == name
        assert list(store.list_ids(collection)) == [name]

    def test_what_is_not_there_is_none(self, store: DocumentStore, collection: str) -> None:
        assert store.get(f"{collection}/none") is None
        assert store.get(f"{collection}/none/deeper/none") is None

    def test_a_document_has_no_children_of_its_own_collection(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/a", {}), Create(f"{collection}/a/tasks/t", {})])
        assert [document.path for document in store.query(Query(collection))] == [f"{collection}/a"]
        assert list(store.list_ids(f"{collection}/a/tasks")) == ["t"]

    def test_get_all_answers_in_the_order_asked_for(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/{name}", {"name": name}) for name in "abc"])
        found = store.get_all([f"{collection}/{name}" for name in ("c", "none", "a", "c")])
        assert [document and document.data["name"] for document in found] == ["c", None, "a", "c"]
        assert store.get_all([]) == []

    def test_get_all_takes_more_paths_than_fit_in_one_call(self, store: DocumentStore, collection: str) -> None:
        store.commit([Create(f"{collection}/{number:04}", {"n": number}) for number in range(0, 1_200, 3)])
        found = store.get_all([f"{collection}/{number:04}" for number in reversed(range(1_200))])
        wanted = [None if number % 3 else number for number in reversed(range(1_200))]
        assert [document and document.data["n"] for document in found] == wanted

    def test_changing_what_was_read_changes_nothing_stored(self, store: DocumentStore, collection: str) -> None:
        data = {"list": [1], "map": {"a": 1}}
        store.commit([Create(f"{collection}/d", data)])
        data["list"] = [9]
        first = store.get(f"{collection}/d")
        assert first is not None
        first.data["map"]["a"] = 9
        second = store.get(f"{collection}/d")
        assert second is not None
        assert second.data == {"list": [1], "map": {"a": 1}}
