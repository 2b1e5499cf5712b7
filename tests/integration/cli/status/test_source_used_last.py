"""`status` and `doctor` look at the source that was used last, unless one is chosen, and say which."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.kit.called import call_nbactl
from tests.kit.paths import ROOT
from tests.kit.small_project import Project, project

if TYPE_CHECKING:
    from pathlib import Path

GAME = """GAME_ID,GAME_DATE,TEAM_ID,TEAM_ABBREVIATION,MATCHUP,WL,PTS
0022400500,2025-01-05,1610612738,BOS,BOS vs. LAL,W,110
0022400500,2025-01-05,1610612747,LAL,LAL @ BOS,L,100
"""


@pytest.fixture
def here(tmp_path: Path) -> Project:
    """A project whose last run used a folder of games."""
    made = project(tmp_path / "project")
    games = tmp_path / "games"
    games.mkdir()
    (games / "games.csv").write_text(GAME)
    made.run("run", "first", "--date", "2025-01-06", "--source", "sample")
    made.run("run", "first", "--date", "2025-01-05", "--source", f"path:{games}")
    return made


def source_check(place: Project, *words: str) -> str:
    done = call_nbactl(["doctor", *words, "-o", "json"], cwd=ROOT, env=place.environment)
    found: dict[str, str] = {each["name"]: each["message"] for each in json.loads(done.stdout)["data"]["checks"]}
    return found["source"]


def test_the_board_is_of_the_source_and_says_why(here: Project) -> None:
    board = here.data("status", "--date", "2025-01-05")
    assert board["source"].startswith("path-games-")
    assert board["source_origin"] == "last run"
    assert board["phases"][0]["state"] == "succeeded"
    assert "path-games-" in here.run("status", "--date", "2025-01-05").stdout.splitlines()[0]
    assert "(of the last run)" in here.run("status", "--date", "2025-01-05").stdout.splitlines()[0]


def test_a_chosen_source_is_not_replaced(here: Project) -> None:
    board = here.data("status", "--date", "2025-01-05", "--source", "sample")
    assert (board["source"], board["source_origin"]) == ("sample", "flag")
    assert board["phases"][0]["state"] == "missing"
    assert source_check(here, "--source", "sample").startswith("sample, ")


def test_doctor_checks_the_source_and_says_why(here: Project, tmp_path: Path) -> None:
    assert source_check(here).startswith(f"path:{tmp_path / 'games'} (of the last run)")


def test_run_keeps_its_own_default(here: Project) -> None:
    (run,) = here.data("run", "first", "--date", "2025-01-06")["runs"]
    assert (run["source"], run["status"]) == ("sample", "skipped")


def test_a_copy_of_the_state_without_the_folder_is_shown_as_the_ledger_has_it(here: Project, tmp_path: Path) -> None:
    (tmp_path / "games").rename(tmp_path / "elsewhere")
    done = json.loads(here.run("status", "-o", "json").stdout)
    assert done["data"]["game_date"] == "2025-01-05"
    assert done["data"]["phases"][0]["state"] == "succeeded"
    assert any("there is no folder" in warning for warning in done["warnings"])


def test_a_run_of_before_that_does_not_name_its_folder_is_said(here: Project) -> None:
    with closing(sqlite3.connect(here.state / "documents.db")) as connection, connection:
        connection.execute("UPDATE documents SET data = json_remove(data, '$.source_spec') WHERE collection = 'runs'")
    done = json.loads(here.run("status", "--date", "2025-01-06", "-o", "json").stdout)
    assert done["data"]["source"] == "sample"
    assert any("name its folder with --source" in warning for warning in done["warnings"])
