"""What a newcomer does first, as commands on a fresh state directory: run, check the numbers, kill, resume, mistype."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHASE3 = {
    "player_game_summary",
    "team_offense_game_summary",
    "team_defense_game_summary",
    "upcoming_player_game_context",
    "upcoming_team_game_context",
}
REAL_DAY = date(2024, 1, 15)
BACKFILL = ("run", "phase3", "--from", "2024-10-24", "--to", "2024-10-26")
pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Machine:
    """Somebody's working directory, without configuration or state of its own."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / ".nbactl"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "nbactl", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NBACTL_", "COLUMNS"))}
        return {**kept, "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        done = run_nbactl([*arguments], cwd=self.folder, env=self.environment(), timeout=200)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    def document(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code)[0])

    @contextmanager
    def warehouse(self) -> Iterator[DuckDbWarehouse]:
        (file,) = (self.state / "data").glob("*/warehouse.duckdb")
        with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=30, holder="test")) as opened:
            yield opened

    def query(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.warehouse() as warehouse:
            return warehouse.query(sql, parameters, timeout=60).dicts()

    def tables(self) -> list[str]:
        with self.warehouse() as warehouse:
            return warehouse.list_tables()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_phase4_runs_what_it_needs_and_its_timeline_can_be_drawn(machine: Machine) -> None:
    runs = machine.document("run", "phase4")["data"]["runs"]
    assert [run["name"] for run in runs] == ["phase1", "phase2", "phase3", "phase4"]
    assert {run["status"] for run in runs} == {"succeeded"}
    assert all(task["rows"] > 0 for run in runs for task in run["tasks"])
    drawn, _ = machine.run("runs", "gantt", "last")
    assert all(task["name"] in drawn for task in runs[-1]["tasks"])
    machine.run("runs", "gantt", "last", "--html", "timeline.html")
    page = (machine.folder / "timeline.html").read_text(encoding="utf-8")
    assert all(task["name"] in page for task in runs[-1]["tasks"])
    assert "src=" not in page, "one self-contained page"
    assert "url(" not in page
    (board,) = [phase for phase in machine.document("status")["data"]["phases"] if phase["name"] == "phase4"]
    assert (board["state"], board["missing"]) == ("succeeded", [])


def test_the_totals_of_a_real_date_are_those_of_the_input(machine: Machine, nba_data: Path) -> None:
    day = REAL_DAY.isoformat()
    document = machine.document("run", "phase3", "--source", f"path:{nba_data}", "--date", day)
    assert document["ok"] is True
    (phase3,) = [run for run in document["data"]["runs"] if run["name"] == "phase3"]
    assert {task["name"]: task["status"] for task in phase3["tasks"]} == dict.fromkeys(PHASE3, "succeeded")
    with gzip.open(nba_data / f"bdl_box_scores_{day}.json.gz", "rt", encoding="utf-8") as file:
        games = json.load(file)["data"]
    expected = {}
    for game in games:
        for side in ("home_team", "visitor_team"):
            played = [player for player in game[side]["players"] if player["min"] not in ("", "00", "0", None)]
            totals = Counter(players=len(played))
            for player in played:
                totals.update(
                    points=player["pts"], rebounds=player["reb"], assists=player["ast"], minutes=int(player["min"])
                )
            assert totals["points"] == game[f"{side}_score"], "the input agrees with itself"
            expected[game[side]["abbreviation"]] = dict(totals)
    found = machine.query(
        "SELECT team_abbr, COUNT(*) AS players, SUM(points) AS points, SUM(rebounds) AS rebounds, "
        "SUM(assists) AS assists, SUM(minutes) AS minutes FROM nba_analytics.player_game_summary "
        "WHERE game_date = @day GROUP BY team_abbr",
        day=REAL_DAY,
    )
    assert {row.pop("team_abbr"): row for row in found} == expected
    teams = machine.query(
        "SELECT team_abbr, points FROM nba_analytics.team_offense_game_summary WHERE game_date = @day", day=REAL_DAY
    )
    assert {row["team_abbr"]: row["points"] for row in teams} == {t: each["points"] for t, each in expected.items()}
    rows = {task["name"]: task["rows"] for task in phase3["tasks"]}
    assert rows["player_game_summary"] == sum(each["players"] for each in expected.values())


def _tables(machine: Machine) -> Iterator[tuple[str, list[str]]]:
    """Yield the content of every table that was computed."""
    for name in machine.tables():
        rows = machine.query(f"SELECT * FROM {name} WHERE game_date > '2000-01-01'")  # noqa: S608 - our own names
        yield name, sorted(repr(sorted(row.items())) for row in rows)


def test_inv_20_a_backfill_killed_in_the_middle_goes_on_where_it_stopped(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with machine.start(*BACKFILL) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "5 of 9 runs done" in line:  # the three of phase 1, and two of phase 2
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    finished = machine.document("runs", "list", "--status", "succeeded", "--expand")["data"]["runs"]
    resumed = machine.document(*BACKFILL, "--resume", "last")["data"]["runs"]
    assert {run["status"] for run in resumed} <= {"succeeded", "skipped"}
    before, again = (
        {(run["name"], run["game_date"]) for run in runs}
        for runs in (finished, [run for run in resumed if run["status"] == "succeeded"])
    )
    assert len(before) >= 5
    assert not before & again
    assert before | again == {(run["name"], run["game_date"]) for run in (*finished, *resumed)}
    assert not machine.document("runs", "list", "--status", "interrupted")["data"]["runs"]
    assert machine.document(*BACKFILL, "--resume", "last", code=4)["error"]["code"] == "not_found"
    undisturbed = Machine(tmp_path_factory.mktemp("undisturbed"))
    undisturbed.run(*BACKFILL)
    assert dict(_tables(machine)) == dict(_tables(undisturbed))


@pytest.mark.parametrize(
    ("file", "right", "wrong", "told"),
    [
        ("workflows.yaml", "needs: [phase2]", "needs: [phase22]", "Did you mean 'phase2'?"),
        ("timeouts.yaml", "limit: 180s", "limt: 180s", "Did you mean 'limit'?"),
        ("flags.yaml", "type: bool", "type: bol", "Did you mean 'bool'?"),
    ],
)
def test_inv_21_a_typo_in_any_of_the_yaml_files_starts_nothing(
    machine: Machine, file: str, right: str, wrong: str, told: str
) -> None:
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / name, machine.folder / name)
    text = (machine.folder / file).read_text(encoding="utf-8")
    (machine.folder / file).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    line = text[: text.index(right)].count("\n") + 1
    _, err = machine.run("run", "phase3", code=2)
    assert f"{file}:{line}:" in err
    assert told in err
    assert not machine.state.exists()


def test_the_console_script_ends_silently(tmp_path: Path) -> None:
    """DuckDB reports its types as leaked if they are kept from the last collection of garbage."""
    script = "import sys; from nbactl.cli.main import console_main; sys.argv[0] = 'nbactl'; console_main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "run", "phase2", "--date", "2024-10-22", "-q"],
        cwd=tmp_path,
        env=Machine(tmp_path).environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
