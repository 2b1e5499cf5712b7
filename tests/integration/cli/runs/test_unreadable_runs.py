"""A run that this version cannot read is named, hides no other, and is not decided about."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.small_project import DATE, Project, project

if TYPE_CHECKING:
    from pathlib import Path

DAY = ("--date", DATE)
OTHER = ("--date", "2025-01-08")
DOCUMENT = "UPDATE documents SET data = {} WHERE collection = 'runs' AND id = :run"
TASK = "UPDATE documents SET data = {} WHERE collection = 'runs/' || :run || '/tasks'"
BROKEN = {
    "an unknown status": DOCUMENT.format("json_set(data, '$.status', 'paused')"),
    "no status": DOCUMENT.format("json_remove(data, '$.status')"),
    "a status of another type": DOCUMENT.format("json_set(data, '$.status', 7)"),
    "no start": DOCUMENT.format("json_remove(data, '$.started_at')"),
    "a start that is no time": DOCUMENT.format("json_set(data, '$.started_at', 'soon')"),
    "no source": DOCUMENT.format("json_remove(data, '$.source')"),
    "an owner of another type": DOCUMENT.format("json_set(data, '$.owner', json('{}'))"),
    "tasks with impossible names": DOCUMENT.format("json_set(data, '$.task_order', json('[\"a/b\"]'))"),
    "tasks that are not there": DOCUMENT.format("json_set(data, '$.task_order', json('[\"other\"]'))"),
    "an unknown status of a task": TASK.format("json_set(data, '$.status', 'postponed')"),
    "a task without attempts": TASK.format("json_remove(data, '$.attempt')"),
    "a task with broken JSON": TASK.format("substr(data, 1, 20)"),
}
NAMELESS = {
    "broken JSON": DOCUMENT.format("substr(data, 1, 40)"),
    "JSON that is no map": DOCUMENT.format("'[1, 2]'"),
    "no name": DOCUMENT.format("json_remove(data, '$.name')"),
    "a date of another form": DOCUMENT.format("json_set(data, '$.game_date', '6 Jan 2025')"),
}


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a project with a run of `first` for each of two dates."""
    made = project(tmp_path_factory.mktemp("runs") / "project")
    made.run("run", "first", *DAY)
    made.run("run", "first", *OTHER)
    return made.state


@pytest.fixture
def ran(two_runs: Path, tmp_path: Path) -> Project:
    """A project in which the older of two runs, of DATE, is to be broken."""
    made = project(tmp_path / "project")
    shutil.copytree(two_runs, made.state)
    return made


def break_older(place: Project, statement: str) -> str:
    """Change the documents of the older run; returns its id."""
    run_id: str = place.data("runs", "list")["runs"][1]["run_id"]
    with closing(sqlite3.connect(place.state / "documents.db")) as connection, connection:
        assert connection.execute(statement, {"run": run_id}).rowcount
    return run_id


def document(place: Project, *arguments: str, code: int = 0) -> Any:
    return json.loads(place.run(*arguments, "-o", "json", code=code).stdout)


@pytest.mark.parametrize("how", [*BROKEN, *NAMELESS])
def test_it_is_named_and_the_others_are_listed(ran: Project, how: str) -> None:
    broken = break_older(ran, (BROKEN | NAMELESS)[how])
    listed = document(ran, "runs", "list")
    assert [run["game_date"] for run in listed["data"]["runs"]] == ["2025-01-08"]
    assert any(broken in warning and "cannot be read" in warning for warning in listed["warnings"])
    assert f"left out: {broken}" in ran.run("runs", "list").stderr
    assert len(ran.run("runs", "list", "-o", "jsonl").stdout.splitlines()) == 1
    assert document(ran, "runs", "list", "--limit", "1")["data"]["runs"]
    board = document(ran, "status", *OTHER)
    assert [phase["state"] for phase in board["data"]["phases"]] == ["succeeded", "missing"]
    for verb in ("show", "gantt", "logs"):
        assert ran.run("runs", verb, "last").stdout
        said = ran.run("runs", verb, broken, code=1).stderr
        assert f"{broken} cannot be read" in said
        assert "Update nbactl" in said
    assert "cannot be read" in ran.run("runs", "cancel", broken, code=1).stderr
    assert "cannot be read" in ran.run("runs", "dismiss", broken, code=1).stderr
    assert document(ran, "run", "first", *OTHER)["data"]["runs"][0]["status"] == "skipped"


@pytest.mark.parametrize("how", BROKEN)
def test_a_run_of_the_same_name_and_date_is_refused_unless_it_is_forced(ran: Project, how: str) -> None:
    broken = break_older(ran, BROKEN[how])
    for words in (("run", "first"), ("run", "second"), ("run", "first", "--dry-run")):
        failed = document(ran, *words, *DAY, code=1)
        assert broken in failed["error"]["message"]
        assert f"nbactl run first --date {DATE} --force" in failed["error"]["next"]
    assert "? unreadable" in ran.run("status", *DAY, code=1).stdout
    again = document(ran, "run", "first", *DAY, "--force")["data"]["runs"]
    assert [run["status"] for run in again] == ["succeeded"]
    assert document(ran, "run", "first", *DAY)["data"]["runs"][0]["status"] == "skipped", "the newer one decides"
    assert [phase["state"] for phase in ran.data("status", *DAY)["phases"]] == ["succeeded", "missing"]


def test_in_a_range_only_what_is_needed_is_refused(ran: Project) -> None:
    broken = break_older(ran, BROKEN["an unknown status"])
    ran.run("run", "sleepy", "--only", "good", "--from", DATE, "--to", "2025-01-08")
    assert broken in ran.run("run", "first", "--from", DATE, "--to", "2025-01-08", code=1).stderr


def test_fields_that_are_not_known_are_left_alone(ran: Project) -> None:
    run_id = break_older(ran, DOCUMENT.format("json_set(data, '$.mood', 'good', '$.deep', json('{\"a\": [1]}'))"))
    listed = document(ran, "runs", "list")
    assert len(listed["data"]["runs"]) == 2
    assert listed["warnings"] == []
    ran.run("runs", "show", run_id)
    assert document(ran, "run", "first", *DAY)["data"]["runs"][0]["status"] == "skipped"


def test_one_damaged_document_hides_no_other_of_its_list(ran: Project) -> None:
    damaged = ("leases", "flags", "outbox", "breakers", "prediction_batches", "lease_removals", "flag_rollouts")
    with closing(sqlite3.connect(ran.state / "documents.db")) as connection, connection:
        for collection in damaged:
            for name, data in (("broken", "{oops"), ("strange", '{"version": "new", "state": 5, "owner": 3}')):
                row = (collection, name, data)
                connection.execute("INSERT INTO documents VALUES (?, ?, ?, 1, 1)", row)
    for noun in ("leases", "flags", "outbox", "breakers", "batches"):
        done = ran.run(noun, "list")
        assert "Traceback" not in done.stderr
    assert "leases/broken cannot be read" in ran.run("leases", "list").stderr
    assert "leases/strange cannot be read" in ran.run("leases", "list").stderr
    assert "breakers/strange" in ran.run("breakers", "list").stderr
    ran.run("status", *OTHER)
    ran.run("run", "first", *OTHER)
