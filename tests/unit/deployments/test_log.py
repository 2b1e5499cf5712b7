"""Changes of variables are kept as they are, in documents and in files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.deployments.log import ChangeLog, DocumentLog, FileLog
from nbactl.deployments.records import EnvChange, ServiceChange
from nbactl.errors import AlreadyExistsError, DataError
from nbactl.ports.documents import Set
from nbactl.testing import memory_documents

if TYPE_CHECKING:
    from pathlib import Path

CHANGE = EnvChange(
    id="env-1",
    created_at=datetime(2024, 1, 15, 12, 0, 0, 123000, tzinfo=UTC),
    by="me@host",
    reason="Dončić",
    place="project/us-west2",
    services=(ServiceChange("scrapers", {"A": None, "B": "x,y"}, {"A": "1", "B": None}),),
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
