from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nbactl.core.outbox.expiry import EXPIRING
from nbactl.ports.documents import Filter, Order, Query
from nbactl.testing import memory_documents
from tests.kit.firestore_indexes import FILE, MissingIndexError, declared, needed

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

NEWEST = (Order("started_at", descending=True),)


def test_a_query_without_its_index_is_refused_here_as_it_would_be_in_production() -> None:
    store: DocumentStore = memory_documents()
    with pytest.raises(MissingIndexError, match="correlation_id"):
        list(store.query(Query("runs", (Filter("correlation_id", "==", "x"),), NEWEST)))
    with pytest.raises(MissingIndexError), store.snapshot() as snapshot:
        snapshot.count(Query("runs", order=(Order("owner"), *NEWEST)))
    store.close()


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (Query("runs"), set()),
        (Query("runs", order=NEWEST), set()),
        (Query("runs", (Filter("a", "==", 1), Filter("b", "==", 2))), set()),
        (Query("runs", (Filter("a", ">", 1), Filter("a", "<", 2)), (Order("a", descending=True),)), set()),
        (Query("runs", (Filter("a", "==", 1), Filter("b", ">", 2))), {(("a", "ASCENDING"), ("b", "ASCENDING"))}),
        (
            Query("runs", (Filter("a", "==", 1), Filter("b", "==", 2)), NEWEST),
            {
                (("a", "ASCENDING"), ("started_at", "DESCENDING")),
                (("b", "ASCENDING"), ("started_at", "DESCENDING")),
            },
        ),
        (Query("runs", order=(Order("a"), *NEWEST)), {(("a", "ASCENDING"), ("started_at", "DESCENDING"))}),
    ],
)
def test_what_a_query_needs_beyond_the_indexes_of_single_fields(query: Query, indexes: set[object]) -> None:
    assert needed(query) == indexes


def test_the_indexes_of_runs_are_declared() -> None:
    listed = Query(
        "runs",
        tuple(Filter(name, "==", "x") for name in ("name", "game_date", "status", "group")),
        (Order("started_at", descending=True),),
    )
    assert needed(listed) == declared()["runs"]


def test_what_expires_has_a_ttl_policy_and_keeps_the_index_that_the_sweep_reads() -> None:
    overrides = json.loads(FILE.read_text())["fieldOverrides"]
    assert {(each["collectionGroup"], each["fieldPath"]) for each in overrides} == {
        (collection, "expires_at") for collection in EXPIRING
    }
    for each in overrides:
        assert each["ttl"] is True
        assert {"order": "ASCENDING", "queryScope": "COLLECTION"} in each["indexes"]
