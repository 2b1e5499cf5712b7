"""The indexes of the embedded store are used by the queries that they are declared for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite import schema
from nbactl.adapters.sqlite.documents import COLUMNS, SqliteDocuments
from nbactl.adapters.sqlite.queries import COUNT, select, select_lacking
from nbactl.bootstrap.indexes import INDEXES
from nbactl.ports.documents import Create, DamagedDocument, Filter, Order, Query
from nbactl.testing import FakeClock
from tests.kit.firestore_indexes import declared

if TYPE_CHECKING:
    from pathlib import Path

NEWEST = (Order("started_at", descending=True),)
SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def filters(**equal: object) -> tuple[Filter, ...]:
    return tuple(Filter(field, "==", value) for field, value in equal.items())


QUERIES = {
    "all runs": Query("runs", order=NEWEST, limit=20),
    "since": Query("runs", (Filter("started_at", ">=", SINCE),), NEWEST, limit=20),
    "by state": Query("runs", filters(status="failed"), NEWEST, limit=20),
    "by name": Query("runs", filters(name="phase3"), NEWEST),
    "by group": Query("runs", filters(group="group-1"), NEWEST),
    "by date": Query("runs", filters(game_date="2024-01-15"), NEWEST),
    "newest of a name and date": Query("runs", filters(name="phase3", game_date="2024-01-15"), NEWEST, limit=10),
    "of a range": Query("runs", (Filter("game_date", ">=", "2024-01-01"), Filter("game_date", "<=", "2024-01-31"))),
    "a group's beginning": Query("runs", (Filter("group", ">=", "group-1"), Filter("group", "<", "group-1~"))),
    "due messages": Query("outbox", (Filter("due_at", "<=", SINCE),), (Order("due_at"),)),
    "expired keys": Query("message_dedup", (Filter("expires_at", "<=", SINCE),), (Order("expires_at"),), limit=500),
    "open dead letters": Query("dead_letters", order=(Order("open_since"),)),
    "all dead letters": Query("dead_letters", order=(Order("saved_at", descending=True),)),
    "removals": Query("lease_removals", order=(Order("at", descending=True),), limit=10),
    "all changes": Query("audit", order=(Order("at", descending=True),), limit=20),
    "changes of a user since": Query(
        "audit", (*filters(user="ada"), Filter("at", ">=", SINCE)), (Order("at", descending=True),), limit=20
    ),
    "changes by a command": Query("audit", filters(action="flags.set"), (Order("at", descending=True),), limit=20),
    "held leases": Query("leases", (Filter("owner", "!=", None),)),
    "runs by date": Query("runs", (Filter("game_date", "<=", "2024-01-31"),), (Order("game_date"),)),
}


def plan(connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> str:
    return " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    path = tmp_path / "documents.db"
    with closing(SqliteDocuments(path, clock=FakeClock(), busy_timeout=5.0, indexes=INDEXES)) as store:
        store.commit([Create("runs/r", {"started_at": SINCE, "status": "failed"})])
    return path


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("columns", [COLUMNS, COUNT])
def test_a_query_that_grows_with_the_ledger_uses_an_index(indexed: Path, name: str, columns: str) -> None:
    query = QUERIES[name]
    with closing(schema.connect(indexed, 5.0, writable=False)) as connection:
        found = plan(connection, *select(query, columns))
    assert f"USING INDEX {query.collection}_by_" in found, found
    if query.order and columns != COUNT:
        assert "TEMP B-TREE FOR ORDER BY" not in found, f"it sorts everything: {found}"


@pytest.mark.parametrize(
    "query",
    [
        Query("alerts", (Filter("expires_at", "<=", SINCE),), (Order("expires_at"),), limit=500),
        Query("outbox", (Filter("due_at", "<=", SINCE), Filter("due_at", ">=", SINCE)), (Order("due_at"),), limit=500),
    ],
    ids=["expired", "due"],
)
def test_a_sweep_sorts_nothing_however_many_documents_are_due_at_the_same_time(indexed: Path, query: Query) -> None:
    with closing(schema.connect(indexed, 5.0, writable=False)) as connection:
        assert "TEMP B-TREE" not in plan(connection, *select(query, COLUMNS))


def test_what_lacks_a_field_is_found_by_an_index(indexed: Path) -> None:
    with closing(schema.connect(indexed, 5.0, writable=False)) as connection:
        assert "USING INDEX runs_by_started_at_and_id (collection=? AND <expr>=?)" in plan(
            connection, *select_lacking("runs", "started_at", COLUMNS)
        )


def test_an_older_file_gets_the_indexes_with_its_first_write_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    with closing(SqliteDocuments(path, clock=FakeClock(), busy_timeout=5.0)) as before:
        before.commit([Create("runs/old", {"started_at": SINCE})])
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("PRAGMA user_version = 1")

    def names() -> set[str]:
        with closing(sqlite3.connect(path)) as connection:
            return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%_by_%'")}

    with closing(SqliteDocuments(path, clock=FakeClock(), busy_timeout=5.0, indexes=INDEXES)) as store:
        assert [document.id for document in store.query(QUERIES["all runs"])] == ["old"]
        assert names() == set()
        store.commit([Create("runs/new", {"started_at": SINCE})])
        assert len(names()) == len(INDEXES)
        assert [document.id for document in store.query(QUERIES["all runs"])] == ["old", "new"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


@pytest.mark.parametrize("broken", ["{oops", "[1]", "", '{"started_at": "\\u0001\\u0003soon"}', "null"])
def test_a_damaged_document_hides_no_other_and_can_be_replaced(indexed: Path, broken: str) -> None:
    with closing(SqliteDocuments(indexed, clock=FakeClock(), busy_timeout=5.0, indexes=INDEXES)) as store:
        store.commit([Create("runs/bad", {})])
        with closing(sqlite3.connect(indexed)) as connection, connection:
            connection.execute("UPDATE documents SET data = ? WHERE id = 'bad'", (broken,))
        assert [document.id for document in store.query(QUERIES["by state"])] == ["r"]
        found = {document.id: document for document in store.query(Query("runs"))}
        assert isinstance(found["bad"], DamagedDocument)
        assert found["r"].data["status"] == "failed"
        assert isinstance(store.get("runs/bad"), DamagedDocument)


def test_every_composite_index_of_firestore_has_its_like() -> None:
    ours = {(index.collection, index.fields) for index in INDEXES}
    theirs = {
        (collection, tuple(name for name, _ in fields))
        for collection, indexes in declared().items()
        for fields in indexes
    }
    assert theirs <= ours
