"""Conformance: the top-level collections of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.ports.documents import Create, Delete

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

pytestmark = pytest.mark.variants


def test_the_top_level_collections_are_listed_by_name(store: DocumentStore) -> None:
    assert store.list_collections() == []
    paths = ("b_locks/x", "b_locks/y", "a/x/inside/y", "a/x", "é/x", "Z/x", "only/x/below/y", "only/x/below2/y")
    store.commit([Create(path, {}) for path in paths])
    assert store.list_collections() == ["Z", "a", "b_locks", "only", "é"]


def test_a_collection_ends_with_its_last_document(store: DocumentStore) -> None:
    store.commit([Create("a/x", {}), Create("b/x", {}), Create("b/y", {})])
    store.commit([Delete("a/x"), Delete("b/x")])
    assert store.list_collections() == ["b"]


def test_all_of_many_collections_are_listed(store: DocumentStore) -> None:
    names = [f"c{number:03}" for number in range(350)]
    store.commit([Create(f"{name}/x", {}) for name in names])
    assert store.list_collections() == names
