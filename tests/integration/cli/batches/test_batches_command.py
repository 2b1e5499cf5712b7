from __future__ import annotations

import contextlib
import json
import os
import pty
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.lease.leases import Leases
from nbactl.ports.documents import DELETE_FIELD, Set, Update
from tests.kit.batches import add_batch, open_documents
from tests.kit.paths import ROOT
from tests.kit.small_project import Project, project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Project:
    """A project with a complete batch and, begun later, an open one."""
    made = project(tmp_path / "project")
    add_batch(made.state, "2025-01-06-done", completed=4)
    add_batch(made.state, "2025-01-06-open", completed=2, failed=1)
    return made


def shown(here: Project, batch: str) -> Any:
    return here.data("batches", "show", batch)["batch"]


def test_the_list_is_newest_first_and_filtered(here: Project) -> None:
    def names(*filters: str) -> list[str]:
        return [batch["batch_id"] for batch in here.data("batches", "list", *filters)["batches"]]

    assert names() == ["2025-01-06-open", "2025-01-06-done"]
    assert names("--incomplete") == ["2025-01-06-open"]
    assert names("--date", "2025-01-06", "--limit", "1") == ["2025-01-06-open"]
    for filters in ([], ["--date", "2025-01-06"]):
        cut = here.run("batches", "list", "--limit", "1", *filters)
        assert cut.stderr == "Showing 1 of 2; --limit shows more.\n"
    assert names("--date", "2025-01-07") == []
    table = here.run("batches", "list").stdout
    assert "2/4" in table
    assert "complete" in table
    lines = here.run("batches", "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["completed"] for line in lines] == [2, 4]


def test_reading_an_empty_store_makes_no_files(tmp_path: Path) -> None:
    made = project(tmp_path / "project")
    empty = made.run("batches", "list")
    assert (empty.stdout, empty.stderr) == ("", "There is no batch yet.\n")
    made.run("batches", "show", "last", code=4)
    assert not made.state.exists()


def test_a_batch_that_cannot_be_read_is_listed_and_the_command_fails(here: Project) -> None:
    store = open_documents(here.state)
    store.commit([Update("prediction_batches/2025-01-06-done", {"is_complete": "yes"})])
    store.commit([Set("prediction_batches/odd", {})])
    store.close()
    listed = here.run("batches", "list", "-o", "json", code=1)
    document = json.loads(listed.stdout)
    assert [batch["state"] for batch in document["data"]["batches"]] == ["open", "unreadable"]
    assert "is_complete is 'yes'" in document["error"]["message"]
    assert (document["data"]["unlisted"], len(document["warnings"])) == (1, 1)
    assert "is_complete is 'yes'" in here.run("batches", "show", "2025-01-06-done", code=1).stderr


BROKEN = ['{"half": ', "", "[]", "null"]


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize(
    "filters", [[], ["--date", "2025-01-06"], ["--incomplete"], ["--stalled", "1h"], ["--date", "latest"]]
)
def test_a_damaged_batch_is_named_whatever_the_filter(here: Project, filters: list[str], text: str) -> None:
    damage(here, "prediction_batches", "2025-01-06-done", text)
    listed = json.loads(here.run("batches", "list", *filters, "-o", "json", code=0).stdout)
    assert [warning for warning in listed["warnings"] if "2025-01-06-done" in warning]
    assert listed["data"]["unlisted"] == 1


def damage(here: Project, collection: str, name: str, text: str) -> None:
    with contextlib.closing(sqlite3.connect(here.state / "documents.db")) as file:
        changed = file.execute("UPDATE documents SET data=? WHERE collection=? AND id=?", (text, collection, name))
        assert changed.rowcount == 1
        file.commit()


RECORD_PROBLEMS = [
    ({"state": DELETE_FIELD}, "state is missing"),
    ({"state": "archived"}, "state is 'archived'"),
    ({"by": 7}, "by is 7"),
    ({"at": None}, "at is None"),
    ({"completed_count": "4"}, "completed_count is '4'"),
    ({"failed_players": DELETE_FIELD}, "failed_players is missing"),
    ({"batch_id": DELETE_FIELD}, "batch_id is missing"),
]


@pytest.mark.parametrize(("changes", "problem"), RECORD_PROBLEMS)
def test_a_reset_whose_record_cannot_be_read_is_named_and_not_undone(
    here: Project, changes: dict[str | tuple[str, ...], Any], problem: str
) -> None:
    here.run("batches", "reset", "2025-01-06-done", "--yes")
    store = open_documents(here.state)
    (name,) = store.list_ids("batch_resets")
    store.commit([Update(f"batch_resets/{name}", changes)])
    store.close()
    refused = here.run("batches", "reset", "2025-01-06-done", "--undo", "--yes", code=1).stderr
    assert f"batch_resets/{name} cannot be read: its {problem}" in refused
    shown = here.run("batches", "show", "2025-01-06-done", "-o", "json")
    assert ("batch_id" in changes) or problem in json.loads(shown.stdout)["warnings"][0]


@pytest.mark.parametrize("text", BROKEN)
def test_a_reset_whose_record_is_broken_is_named(here: Project, text: str) -> None:
    here.run("batches", "reset", "2025-01-06-done", "--yes")
    store = open_documents(here.state)
    (name,) = store.list_ids("batch_resets")
    store.close()
    damage(here, "batch_resets", name, text)
    refused = here.run("batches", "reset", "2025-01-06-done", "--undo", "--yes", code=1).stderr
    assert f"batch_resets/{name} cannot be read" in refused


def test_show_tells_who_is_missing_and_where_it_is_recorded(here: Project) -> None:
    text = here.run("batches", "show", "last").stdout
    assert "2 of 4 players (50 %)" in text
    assert "1: f0" in text
    assert "array, read from the array" in text
    data = here.data("batches", "show", "2025-01-06-o")
    assert (data["batch"]["missing"], data["batch"]["failed"], data["batch"]["predictions"]) == (1, ["f0"], 6)
    assert (data["mode"], data["reset"]) == ({"writes": ["array"], "reads": "array"}, None)
    store = open_documents(here.state)
    store.commit([Set("migrations/completions", {"stage": "validated"})])
    store.close()
    assert here.data("batches", "show", "last")["mode"]["writes"] == ["array", "subcollection"]


def test_a_misspelt_batch_is_corrected(here: Project) -> None:
    missed = here.run("batches", "show", "2025-01-06-opne", code=4)
    assert "Did you mean '2025-01-06-open'?" in missed.stderr
    assert "2 batches begin with 2025" in here.run("batches", "complete", "2025", code=2).stderr


def test_stalled_batches_are_a_finding(here: Project) -> None:
    assert here.data("batches", "list", "--stalled", "1h")["batches"] == []
    time.sleep(0.05)
    found = here.run("batches", "list", "--stalled", "50ms", code=1)
    assert "2025-01-06-open: 1 of 4 players is missing, 1 has failed." in found.stderr
    assert "1 batch has stalled" in found.stderr
    assert [batch["batch_id"] for batch in here.data("batches", "list", "--stalled", "50ms", code=1)["batches"]] == [
        "2025-01-06-open"
    ]
    here.run("batches", "list", "--stalled", "1h", "--incomplete", code=2)


def test_complete_changes_a_batch_once(here: Project) -> None:
    assert "Would make" in here.run("batches", "complete", "last", "--dry-run").stderr
    assert not shown(here, "last")["is_complete"]
    done = here.data("batches", "complete", "last")
    assert (done["changed"], done["batch"]["is_complete"], done["batch"]["missing"]) == (True, True, 1)
    again = here.data("batches", "complete", "last")
    assert (again["changed"], again["batch"]["completion_time"]) == (False, done["batch"]["completion_time"])


def test_inv_19_reset_asks_saves_and_can_be_undone(here: Project) -> None:
    before = shown(here, "last")
    assert (
        "Would save and remove 2 completed and 1 failed players"
        in here.run("batches", "reset", "last", "--dry-run").stderr
    )
    refused = here.run("batches", "reset", "last", code=2)
    assert "Add --yes" in refused.stderr
    assert shown(here, "last") == before
    done = here.data("batches", "reset", "last", "--yes")
    assert (done["changed"], done["batch"]["completed"], done["reset"]["players"]) == (True, 0, 2)
    assert "To restore them" in here.run("batches", "show", "last").stderr
    assert "Would restore 2 players" in here.run("batches", "reset", "last", "--undo", "--dry-run").stderr
    undone = here.data("batches", "reset", "last", "--undo")
    assert (undone["changed"], undone["reset"]) == (True, None)
    assert {**undone["batch"], "last_change": None} == {**before, "last_change": None}
    assert "was not reset" in here.run("batches", "reset", "last", "--undo", code=4).stderr


def test_reset_keeps_out_of_the_way_of_the_migration(here: Project) -> None:
    store = open_documents(here.state)
    leases = Leases(store, SystemClock(), is_dead=is_dead)
    leases.acquire("migrations/completions", process_identity("backfill"), 60.0)
    before = shown(here, "last")
    refused = here.run("batches", "reset", "last", "--yes", code=6)
    assert "migrations/completions is held by" in refused.stderr
    assert shown(here, "last") == before
    store.close()


def test_who_says_no_changes_nothing(here: Project) -> None:
    before = shown(here, "last")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        here.command("batches", "reset", "last"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=here.environment,
        cwd=ROOT,
    )
    os.close(theirs)
    os.write(ours, b"n\n")
    assert process.wait(timeout=60) == 1
    assert b"Nothing was changed" in os.read(ours, 65536)
    os.close(ours)
    assert shown(here, "last") == before


@pytest.mark.parametrize("point", ["completions.reset_begun", "completions.reset_removed", "completions.reset_ended"])
def test_inv_20_a_reset_that_was_killed_is_finished_by_the_same_command_and_undone(here: Project, point: str) -> None:
    before = shown(here, "last")
    killed = subprocess.run(
        here.command("batches", "reset", "last", "--yes"),
        env={**here.environment, "NBACTL_FAULTS": f"{point}=kill"},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    for _ in range(2):
        assert here.data("batches", "reset", "last", "--yes")["batch"]["completed"] == 0
    said = here.run("batches", "reset", "last", "--yes").stderr
    assert "Nothing to do: 2025-01-06-open has nothing recorded." in said
    assert "nbactl batches reset 2025-01-06-open --undo" in said
    assert not here.data("batches", "reset", "last", "--dry-run")["changed"]
    here.run("batches", "reset", "last", "--undo", "--yes")
    assert {**shown(here, "last"), "last_change": None} == {**before, "last_change": None}
