"""`nbactl expect` and `run --gaps` on stores with nothing in them, and options that contradict each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.outputs import make_grids
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.holder import process_identity
from nbactl.testing import FakeClock
from tests.kit.league import League
from tests.kit.run_records import run, task

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.observe.events import Event

FIRST = date(2025, 1, 14)
DEAD = f"{process_identity('run-1').rsplit(':', 3)[0]}:4194305:1:run-2"
"""The identity of a process of this machine that cannot be."""
Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def league(tmp_path: Path) -> League:
    return League(tmp_path, {FIRST + timedelta(days=days): 20 for days in (0, 2)})


@pytest.fixture
def nbactl(league: League, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: str) -> tuple[int, dict[str, Any]]:
        source = ("--source", f"path:{league.folder}", "--state-dir", str(league.state))
        code = main([*words, *source, "-o", "json"])
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, document

    return call


def test_nothing_is_there_in_an_empty_store_and_nothing_is_made(nbactl: Call, league: League) -> None:
    code, document = nbactl("expect")
    data = document["data"]
    assert code == 1
    assert {output["game_date"] for output in data["outputs"]} == {"2025-01-16"}, "the newest date of the files"
    assert data["summary"]["MISSING"] == len(data["outputs"]) == 21
    assert not list(league.state.glob("**/*.duckdb"))
    assert not list(league.state.glob("documents.db"))


def test_inv_24_dates_outside_of_the_files_are_no_success(nbactl: Call) -> None:
    code, document = nbactl("expect", "--from", "2025-02-01", "--to", "2025-02-03")
    assert (code, document["error"]["message"]) == (1, "nothing is known of these dates")
    assert nbactl("run", "daily", "--gaps", "--from", "2025-02-01", "--to", "2025-02-03")[0] == 1
    code, document = nbactl("expect", "--from", "2025-01-16", "--to", "2025-02-03")
    assert code == 1
    assert len(document["data"]["unknown"]) == 18
    assert "nothing was looked at on 18 of the dates" in document["warnings"][0]


def test_a_date_without_games_is_idle(nbactl: Call) -> None:
    code, document = nbactl("expect", "--date", "2025-01-15")
    assert code == 0
    assert document["data"]["outputs"] == []
    assert [idle["game_date"] for idle in document["data"]["idle"]] == ["2025-01-15"]
    assert nbactl("run", "daily", "--gaps", "--date", "2025-01-15")[0] == 0


def test_a_dry_run_shows_what_the_grid_lacks_dependencies_first(nbactl: Call, league: League) -> None:
    code, document = nbactl("run", "phase2", "--gaps", "--from", "2025-01-14", "--to", "2025-01-16", "--dry-run")
    assert code == 0
    planned = [(plan["name"], plan["game_date"]) for plan in document["data"]["plan"]]
    assert planned == [(name, f"2025-01-{day}") for day in (14, 16) for name in ("phase1", "phase2")]
    reasons = {task["name"]: task["reason"] for plan in document["data"]["plan"] for task in plan["tasks"]}
    assert reasons["schedule"] is None
    assert not list(league.state.glob("**/*.duckdb"))


@pytest.mark.parametrize(
    "words",
    [
        ("daily", "--force"),
        ("daily", "--resume", "last"),
        ("daily", "--only", "schedule"),
        ("daily", "--skip", "schedule"),
        ("daily", "--upstream", "skip"),
        ("daily", "--stale-on", "code"),
        ("morning_operations",),
        ("referees",),
    ],
)
def test_what_contradicts_gaps_is_refused_with_2(nbactl: Call, words: tuple[str, ...]) -> None:
    code, document = nbactl("run", *words, "--gaps")
    assert (code, document["error"]["message"].startswith("--gaps")) == (2, True)


@pytest.mark.parametrize(
    ("at", "states"),
    [
        ("2025-01-16T09:59:00-05:00", {"EXPECTED"}),  # of today: at 10:00
        ("2025-01-16T10:00:00-05:00", {"EXPECTED", "MISSING"}),
        ("2025-01-16T23:59:00-05:00", {"MISSING"}),
        ("2025-01-17T04:59:00-05:00", {"EXPECTED"}),  # of last night: at 05:00
        ("2025-01-17T07:30:00-05:00", {"MISSING"}),
        ("2025-01-15T16:29:00-05:00", {"EXPECTED"}),  # of tomorrow: at 16:30
        ("2025-01-15T20:00:00-05:00", {"MISSING"}),
    ],
)
def test_an_output_is_expected_until_it_is_due_in_its_mode(league: League, at: str, states: set[str]) -> None:
    given = {"state_dir": str(league.state), "source": f"path:{league.folder}"}
    clock = FakeClock(datetime.fromisoformat(at))
    with Container(load_settings(given, {}, league.folder), clock=clock, reads_only=True) as app:
        grid = make_grids(app).draw(GameDate.iso("2025-01-16"), GameDate.iso("2025-01-16"))
    assert {output.state.value for output in grid.outputs} == states


def test_what_a_run_is_at_work_on_is_late_until_its_process_dies(league: League) -> None:
    given = {"state_dir": str(league.state), "source": f"path:{league.folder}"}
    day, now = GameDate.iso("2025-01-16"), datetime.fromisoformat("2025-01-17T08:00:00-05:00")
    with Container(load_settings(given, {}, league.folder), clock=FakeClock(now)) as app:
        for owner, states in ((process_identity("run-1"), {"LATE"}), (DEAD, {"FAILED", "MISSING"})):
            lease = app.leases.acquire("phase1/2025-01-16", owner, 60.0)
            tasks = (task("schedule", "running", 0.0), task("player_boxscores", "pending"))
            app.ledger.start(
                run(
                    *tasks,
                    status="running",
                    end=None,
                    run_id=owner.rpartition(":")[2],
                    name="phase1",
                    game_date=day,
                    source=app.source.key,
                    owner=owner,
                    lease=lease.name,
                    started_at=now,
                ),
                supersedes=None,
            )
            outputs = {output.name: output for output in make_grids(app).draw(day, day).outputs}
            found = {outputs[name].state.value for name in ("schedule", "player_boxscores", "p2_schedule")}
            assert found == states, owner
            app.leases.release(lease)
    assert outputs["schedule"].reason == "run-2 was interrupted"


def test_a_later_run_of_the_task_alone_counts(league: League, nbactl: Call) -> None:
    logs = (league.folder / "logs.csv").read_text()
    (league.folder / "logs.csv").write_text(logs.partition("\n")[0] + "\n")
    assert league.run("phase1", days=[FIRST]).runs[0].status == "failed"
    (league.folder / "logs.csv").write_text(logs)

    def found() -> tuple[str, str]:
        outputs = nbactl("expect", "--date", str(FIRST))[1]["data"]["outputs"]
        return next((output["state"], output["by"]) for output in outputs if output["name"] == "player_boxscores")

    assert found()[0] == "FAILED"
    code, document = nbactl("run", "player_boxscores", "--gaps", "--date", str(FIRST))
    assert code == 0
    assert found() == ("COMPLETE", document["data"]["runs"][-1]["run_id"])
    assert nbactl("run", "player_boxscores", "--gaps", "--date", str(FIRST))[1]["data"]["runs"] == []


def test_a_season_asks_no_more_than_a_month(league: League) -> None:
    def asked(days: int) -> int:
        events: list[Event] = []
        given = {"state_dir": str(league.state), "source": f"path:{league.folder}"}
        with Container(load_settings(given, {}, league.folder), hook=events.append) as app:
            make_grids(app).draw(GameDate(FIRST), GameDate(FIRST).plus(days - 1))
        return len(events)

    assert asked(2) <= 20, "of a few dates a look-up for each phase"
    assert max(asked(30), asked(170)) <= 10
