"""The times of documents under a clock that stands still or goes back."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.errors import PreconditionError
from nbactl.ports.documents import Create, Delete, Set, Update
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import Document


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteDocuments]:
    with closing(SqliteDocuments(tmp_path / "documents.db", clock=clock, busy_timeout=5.0)) as store:
        yield store


def read(store: SqliteDocuments) -> Document:
    document = store.get("runs/r")
    assert document is not None
    return document


def test_the_first_commit_has_the_clocks_time(store: SqliteDocuments, clock: FakeClock) -> None:
    assert store.commit([Set("runs/r", {})]) == clock.now() == read(store).create_time


def test_changes_grow_in_time_though_the_clock_stands_still(store: SqliteDocuments) -> None:
    times = [store.commit([Set("runs/r", {})]) for _ in range(3)]
    assert times == sorted(set(times))


def test_changes_grow_in_time_though_the_clock_went_back_before_a_restart(
    store: SqliteDocuments, clock: FakeClock, tmp_path: Path
) -> None:
    before = store.commit([Set("runs/r", {})])
    clock.set(clock.now().replace(year=2000))
    with closing(SqliteDocuments(tmp_path / "documents.db", clock=clock, busy_timeout=5.0)) as restarted:
        assert restarted.commit([Set("runs/r", {})]) > before
        assert restarted.commit([Update("runs/r", {"a": 1})]) == read(restarted).update_time > before


def test_a_document_that_was_deleted_and_created_again_is_a_later_one(store: SqliteDocuments) -> None:
    store.commit([Create("runs/r", {})])
    first = read(store)
    store.commit([Delete("runs/r")])
    store.commit([Create("runs/r", {})])
    second = read(store)
    assert second.create_time == second.update_time > first.update_time
    store.commit([Delete("runs/r"), Create("runs/r", {})])
    assert read(store).create_time == read(store).update_time > second.update_time


def test_a_condition_on_a_document_that_the_commit_changed_before_never_holds(tmp_path: Path, clock: FakeClock) -> None:
    def opened() -> closing[SqliteDocuments]:
        return closing(SqliteDocuments(tmp_path / "reopened.db", clock=clock, busy_timeout=5.0))

    with opened() as store:
        store.commit([Create("runs/a", {})])
    with opened() as store:  # under a clock that does not move, documents of two processes may have one time
        store.commit([Create("runs/b", {})])
        expected = store.commit([Set("runs/b", {})])
    with opened() as store, pytest.raises(PreconditionError):
        store.commit([Set("runs/a", {}), Delete("runs/a", if_updated_at=expected)])
