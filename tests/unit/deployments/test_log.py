"""Changes of services are kept as they are, in documents and in files, and those of earlier versions are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.deployments.log import ChangeLog, DocumentLog, FileLog
from nbactl.deployments.records import ChangeRecord, ServiceChange, fields_of
from nbactl.errors import AlreadyExistsError, DataError
from nbactl.ports.documents import Set
from nbactl.ports.services import ServiceEdit, Traffic
from nbactl.testing import memory_documents

if TYPE_CHECKING:
    from pathlib import Path

WAS = (Traffic(100, None), Traffic(0, "scrapers-00001-abc", "stable"))
BACK = (Traffic(100, "scrapers-00001-abc", "stable"),)
CHANGE = ChangeRecord(
    id="env-1",
    created_at=datetime(2024, 1, 15, 12, 0, 0, 123000, tzinfo=UTC),
    by="me@host",
    reason="Dončić",
    place="project/us-west2",
    services=(
        ServiceChange(
            "scrapers",
            ServiceEdit(
                {"A": None, "B": "x,y"},
                {"max_instances": None, "timeout": 540.0},
                env_order=("B", "KEY_OF_SECRET"),
                service_wide=frozenset({"max_instances"}),
            ),
            ServiceEdit({"A": "1", "B": None}, {"max_instances": 20, "timeout": 60.5}),
        ),
        ServiceChange("worker", ServiceEdit(traffic=WAS), ServiceEdit(traffic=BACK), "done", (WAS, BACK)),
    ),
    process="host:boot:1:2:services",
)


@pytest.fixture(params=["documents", "files"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> ChangeLog:
    return DocumentLog(memory_documents()) if request.param == "documents" else FileLog(tmp_path / "changes")


def test_a_change_is_read_as_it_was_written(log: ChangeLog) -> None:
    assert log.get("env-1") is None
    log.create(CHANGE)
    assert log.get("env-1") == CHANGE
    done = replace(CHANGE, finished_at=CHANGE.created_at, undone_by="env-2", undoes="env-0")
    log.replace(done)
    assert log.get("env-1") == done


def test_changes_come_the_newest_first(log: ChangeLog) -> None:
    assert list(log.newest()) == []
    for number in (2, 1, 3):
        log.create(replace(CHANGE, id=f"env-{number}"))
    assert [each.id for each in log.newest()] == ["env-3", "env-2", "env-1"]


def test_what_earlier_versions_saved_is_read_as_it_was_meant() -> None:
    """The fields are those of a document that version 0.1.0 left before it changed settings and traffic, too."""
    documents = memory_documents()
    values = {"before": {"A": None, "B": "x"}, "after": {"A": "1", "B": None}}
    saved = {
        "id": "env-01kb2f7m4q8x2v0c",
        "created_at": CHANGE.created_at,
        "by": "me@host",
        "reason": None,
        "place": "project/us-west2",
        "services": [{"service": "scrapers", **values, "outcome": "done"}],
        "undoes": None,
        "undone_by": None,
        "finished_at": CHANGE.created_at,
    }
    documents.commit([Set(f"service_env_changes/{saved['id']}", saved)])
    log = DocumentLog(documents)
    found = log.get("env-01kb2f7m4q8x2v0c")
    assert found is not None
    (service,) = found.services
    assert (service.before, service.after) == (ServiceEdit(values["before"]), ServiceEdit(values["after"]))
    assert (found.process, service.through, service.outcome) == (None, (), "done")
    assert fields_of(found) == {**saved, "process": None}, "and stays as it is when it is marked as undone"
    log.create(replace(CHANGE, id="svc-01ja0000000000000"))
    assert [each.id[:3] for each in log.newest()] == ["svc", "env"], "ids of today come after those of before"


def test_an_id_that_is_taken_is_refused() -> None:
    log = DocumentLog(memory_documents())
    log.create(CHANGE)
    with pytest.raises(AlreadyExistsError):
        log.create(CHANGE)


def test_a_damaged_change_is_named(tmp_path: Path) -> None:
    documents = memory_documents()
    documents.commit([Set("service_env_changes/env-1", {"id": "env-1", "services": [{"service": "a"}]})])
    with pytest.raises(DataError, match="service_env_changes/env-1 cannot be read"):
        DocumentLog(documents).get("env-1")
    (tmp_path / "env-2.json").write_text("{")
    with pytest.raises(DataError, match=r"env-2\.json cannot be read"):
        FileLog(tmp_path).get("env-2")
