"""Failures that need no repair are dismissed, and shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kit.small_project import DATE, Project, project

if TYPE_CHECKING:
    from pathlib import Path

DAY = ("--date", DATE)


@pytest.fixture
def failed(tmp_path: Path) -> Project:
    made = project(tmp_path / "project")
    made.run("run", "second", *DAY, code=1)
    return made


def test_a_dismissed_failure_no_longer_counts_and_can_be_shown_again(failed: Project) -> None:
    assert failed.data("status", *DAY, code=1)["counts"] == {"failed": 1}
    assert failed.data("status", "--date", "2025-01-08")["failures"], "another date lists it, and does not fail for it"
    run_id = failed.data("runs", "show", "last")["run"]["run_id"]

    would = failed.run("runs", "dismiss", "last", "--dry-run")
    assert would.stderr == f"Would dismiss {run_id}.\nOn local: runs {run_id}.\n"
    failed.run("status", *DAY, code=1)

    done = failed.data("runs", "dismiss", run_id, "--reason", "the source was down")
    assert done["changed"] == [run_id]
    assert done["runs"][0]["dismissed"]["reason"] == "the source was down"
    board = failed.data("status", *DAY)
    assert (board["counts"], board["failures"], board["wrong"]) == ({}, [], False)
    assert "dismissed" in failed.run("status", *DAY).stdout
    assert "the source was down" in failed.run("runs", "show", "last").stdout
    assert "Nothing to do" in failed.run("runs", "dismiss", "last").stderr

    assert failed.data("runs", "dismiss", "last", "--undo")["changed"] == [run_id]
    failed.run("status", *DAY, code=1)
    assert "Nothing to do" in failed.run("runs", "dismiss", "last", "--undo").stderr


def test_only_what_failed_can_be_dismissed_and_all_or_nothing(failed: Project) -> None:
    second, first = (run["run_id"] for run in failed.data("runs", "list")["runs"])
    assert "it is succeeded" in failed.run("runs", "dismiss", second, first, code=6).stderr
    failed.run("status", *DAY, code=1)
    failed.run("runs", "dismiss", second, "run-none", code=4)
    failed.run("status", *DAY, code=1)
    failed.run("runs", "dismiss", code=2)


def test_a_later_failure_of_the_same_phase_counts_again(failed: Project) -> None:
    failed.run("runs", "dismiss", "last")
    failed.run("run", "second", *DAY, code=1)
    failed.run("status", *DAY, code=1)
