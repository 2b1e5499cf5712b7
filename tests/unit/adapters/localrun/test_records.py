"""Services of this machine as documents: they come back as they were written, and old revisions go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.adapters.localrun.records import (
    FOLLOWS_LATEST,
    KEPT,
    RevisionRecord,
    ServiceRecord,
    add,
    read_revision,
    read_service,
)
from nbactl.ports.documents import Delete
from nbactl.ports.services import Traffic
from nbactl.testing import FakeClock, memory_documents

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
PINNED = (Traffic(100, "one-00001"),)


def service(latest: int, *, traffic: tuple[Traffic, ...] = FOLLOWS_LATEST, ready: str | None = None) -> ServiceRecord:
    return ServiceRecord(
        "one", 7, 6, latest, ready, traffic, FOLLOWS_LATEST, {"B": "1", "A": ""}, NOW, "mia@here", "it is broken"
    )


def revision(number: int) -> RevisionRecord:
    settings = {"min_instances": 2, "max_instances": None, "concurrency": 10, "timeout": None}
    return RevisionRecord("one", number, NOW, "mia@here", {"B": "1", "A": ""}, frozenset({"KEY"}), settings)  # type: ignore[arg-type]


def test_they_come_back_as_they_were_written_with_variables_in_their_order() -> None:
    store, written, made = memory_documents(FakeClock()), service(3, traffic=PINNED), revision(3)
    store.commit(add(written, made))
    found, newest = store.get(written.path), store.get(made.path)
    assert found is not None
    assert newest is not None
    assert (read_service(found), read_revision(newest)) == (written, made)
    assert list(read_revision(newest).env) == ["B", "A"]


@pytest.mark.parametrize(
    ("written", "removed"),
    [
        (service(KEPT), []),
        (service(KEPT + 1), ["local_services/one/revisions/one-00001"]),
        (service(KEPT + 1, traffic=PINNED), []),
        (service(KEPT + 1, ready="one-00001"), []),
    ],
)
def test_the_oldest_revision_is_removed_unless_it_may_serve(written: ServiceRecord, removed: list[str]) -> None:
    writes = add(written, revision(written.latest))
    assert [write.path for write in writes if isinstance(write, Delete)] == removed
