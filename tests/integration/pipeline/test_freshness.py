"""A date is finished while its data are those it was made of: the real processors, ledger and warehouse."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.doctor.command import diagnose
from nbactl.cli.runs.command import show_runs
from nbactl.cli.status.command import read_board
from nbactl.config.given import PLACE_OPTIONS, given_options
from nbactl.config.settings import load_settings
from nbactl.ports.documents import Set
from nbactl.workflows.model import RunStatus, exit_code
from tests.kit.league import PLAYERS, League

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from nbactl.checks.doctor.context import Finding
    from nbactl.workflows.model import RunReport

FIRST, SECOND, THIRD = (date(2025, 1, day) for day in (13, 14, 16))
DAYS = (FIRST, SECOND, THIRD)
POINTS = {FIRST: 20, SECOND: 30, THIRD: 16}
TABLES = ("nba_analytics.player_game_summary", "nba_analytics.upcoming_player_game_context")
SUMMARY = (
    "SELECT game_date, MIN(games_played_before) AS games FROM nba_analytics.player_game_summary "
    "GROUP BY game_date ORDER BY game_date"
)
COMPARED = ("player_game_summary", "upcoming_player_game_context")
"""The tasks of phase 3 whose tables are compared."""
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def league(tmp_path: Path) -> League:
    return League(tmp_path, POINTS)


@pytest.fixture(scope="module")
def run_before(tmp_path_factory: pytest.TempPathFactory) -> League:
    league = League(tmp_path_factory.mktemp("finished"), POINTS)
    assert exit_code(league.run("phase3", only=COMPARED, days=DAYS)) == 0
    league.keep()
    return league


@pytest.fixture
def finished(run_before: League) -> League:
    """Return a league of which all dates are finished."""
    return run_before.restore()


@pytest.fixture(scope="module")
def failed_before(tmp_path_factory: pytest.TempPathFactory) -> League:
    league = League(tmp_path_factory.mktemp("failed"), POINTS)
    league.minutes[SECOND] = "??"
    league.write()
    report = league.run("phase3", only=COMPARED, days=(FIRST, SECOND))
    assert [run.name for run in report.runs if run.status is RunStatus.FAILED] == ["phase2"]
    league.keep()
    return league


@pytest.fixture
def failed(failed_before: League) -> League:
    """Return a league whose second date failed."""
    return failed_before.restore()


def ran(report: RunReport) -> list[str]:
    return [
        f"{run.game_date.day.day} {task.name}" + (f" {task.reason}" if (task.reason or "").startswith("stale") else "")
        for run in report.runs
        if run.status is not RunStatus.SKIPPED
        for task in run.tasks
        if task.carried_from is None and task.status.done
    ]


def tables(league: League, state: str) -> dict[str, Any]:
    select = "SELECT * FROM {} ORDER BY game_date, player_lookup"
    return {name: league.rows(select.format(name), state) for name in TABLES}


def test_a_fresh_range_is_skipped_whole(finished: League) -> None:
    finished.run("phase3", days=DAYS)
    again = finished.run("phase3", days=DAYS)
    assert {run.status for run in again.runs} == {RunStatus.SKIPPED}
    assert (again.warnings, again.outdated) == ((), None)


def test_a_repaired_earlier_date_brings_the_later_ones_of_the_range_up_to_date(league: League) -> None:
    league.minutes[SECOND] = "??"
    league.write()
    broken = league.run("phase3", only=COMPARED, days=DAYS)
    assert exit_code(broken) == 1
    assert [row["games"] for row in league.rows(SUMMARY)] == [0, 1]
    del league.minutes[SECOND]
    league.write()
    league.run("phase1", days=(SECOND,), force=True)
    repaired = league.run("phase3", only=COMPARED, days=DAYS)
    assert exit_code(repaired) == 0
    changed = "stale: nba_raw.player_boxscores 2025-01-14 changed"
    assert f"16 player_game_summary {changed}" in ran(repaired)
    assert [row["games"] for row in league.rows(SUMMARY)] == [0, 1, 2]
    league.run("phase3", only=COMPARED, days=DAYS, state="fresh")
    assert tables(league, "state") == tables(league, "fresh")


@pytest.mark.parametrize(
    ("names", "request_"),
    [
        (("phase3",), {}),
        (("phase3",), {"resume": "last"}),
        (("phase3",), {"force": True}),
        (("phase2",), {"force": True}),
    ],
)
def test_advice_printed_with_a_failure_succeeds_when_its_cause_is_mended(
    failed: League, names: tuple[str, ...], request_: dict[str, Any]
) -> None:
    failed.write()
    repaired = failed.run(*names, days=(SECOND,), **request_)
    assert exit_code(repaired) == 0
    assert "14 player_boxscores stale: the source changed" in ran(repaired)


def test_a_repair_names_the_later_dates_that_it_made_stale(league: League) -> None:
    league.run("phase3", days=(SECOND, THIRD))
    league.points[SECOND] = 24
    league.write()
    report = league.run("phase3", days=(SECOND,))
    assert report.outdated is not None
    assert (report.outdated.name, report.outdated.first.day, report.outdated.last.day) == ("phase3", THIRD, THIRD)
    assert league.board(THIRD).outdated
    mended = league.run("phase3", days=(THIRD,))
    assert mended.outdated is None
    assert not league.board(THIRD).outdated


def test_a_source_that_changed_without_another_value_stops_after_phase_1_and_2(finished: League) -> None:
    path = finished.folder / "logs.csv"
    path.write_text(path.read_text().replace(",48,", ",48.0,"))
    report = finished.run("phase3", only=COMPARED, days=DAYS)
    assert exit_code(report) == 0
    assert not [line for line in ran(report) if "summary" in line or "context" in line]


def test_inv_25_a_lost_warehouse_is_noticed_and_made_again(finished: League) -> None:
    whole = tables(finished, "state")
    (warehouse,) = finished.state.glob("data/*/warehouse.duckdb")
    warehouse.unlink()
    board = finished.board(THIRD)
    assert board.wrong
    assert [phase.state for phase in board.phases][:3] == ["succeeded", "stale", "stale"]
    report = finished.run("phase3", only=COMPARED, days=DAYS)
    assert exit_code(report) == 0
    assert "14 p2_player_boxscores stale: nba_raw.player_boxscores 2025-01-14 is gone" in ran(report)
    assert tables(finished, "state") == whole


def test_inv_25_a_warehouse_of_another_day_is_noticed(league: League, tmp_path: Path) -> None:
    league.run("phase3", only=COMPARED, days=(FIRST,))
    (warehouse,) = league.state.glob("data/*/warehouse.duckdb")
    old = tmp_path / "backup"
    old.write_bytes(warehouse.read_bytes())
    league.points[FIRST] = 22
    league.write()
    league.run("phase3", only=COMPARED, days=(FIRST,))
    warehouse.write_bytes(old.read_bytes())
    report = league.run("phase3", only=COMPARED, days=(FIRST,))
    assert (
        "13 player_game_summary stale: nba_analytics.player_game_summary 2025-01-13 is not what this run wrote"
        in ran(report)
    )
    counted = "SELECT COUNT(*) AS n, MIN(points) AS low FROM nba_analytics.player_game_summary"
    assert league.rows(counted) == [{"n": 2 * PLAYERS, "low": 22}]


def test_inv_25_a_lost_raw_file_is_collected_again(league: League) -> None:
    league.run("phase3", only=COMPARED, days=(FIRST,))
    (file,) = league.state.glob(f"data/*/raw/player_boxscores/*{FIRST}*")
    file.unlink()
    report = league.run("phase3", only=COMPARED, days=(FIRST,))
    assert ran(report) == ["13 player_boxscores stale: the raw file of player_boxscores 2025-01-13 is gone"]


def test_a_feed_that_is_right_a_day_later_is_collected_again_by_the_plain_command(league: League) -> None:
    league.unplayed.add(SECOND)
    league.write()
    first = league.run("phase3", days=(SECOND,))
    lacks = "0022400001 DET at CHI is not over"
    assert exit_code(first) == 3
    assert f"phase2 for {SECOND} is incomplete: {lacks}" in first.warnings
    phase2 = league.board(SECOND).phases[1]
    assert (phase2.state, phase2.reason) == ("incomplete", lacks)
    league.unplayed.clear()
    league.write()
    assert exit_code(league.run("phase3", days=(SECOND,))) == 0
    there = "SELECT COUNT(*) AS n FROM nba_raw.player_boxscores WHERE game_date = DATE '2025-01-14'"
    assert league.rows(there) == [{"n": 2 * PLAYERS}]
    assert {run.status for run in league.run("phase3", days=(SECOND,)).runs} == {RunStatus.SKIPPED}


@pytest.mark.parametrize("where", ["TRUE", "game_date = DATE '2025-01-14' AND player_lookup LIKE '%a'"])
def test_inv_25_rows_that_another_program_deleted_are_noticed_and_written_again(finished: League, where: str) -> None:
    import duckdb

    before = tables(finished, "state")
    (file,) = finished.state.glob("data/*/warehouse.duckdb")
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"DELETE FROM nba_analytics.player_game_summary WHERE {where}")  # noqa: S608 - ours
    for _ in range(2):  # the second time without opening the warehouse
        phase3 = finished.board(SECOND).phases[2]
        assert phase3.state == "stale"
        assert phase3.reason == "nba_analytics.player_game_summary 2025-01-14 is not what this run wrote"
    assert exit_code(finished.run("phase3", only=COMPARED, days=DAYS)) == 0
    assert tables(finished, "state") == before
    assert {run.status for run in finished.run("phase3", only=COMPARED, days=DAYS).runs} == {RunStatus.SKIPPED}


def test_runs_show_and_doctor_say_that_a_finished_run_lost_its_output(league: League) -> None:
    league.run("phase2", days=(FIRST,))
    with league.open() as app:
        assert [listed.not_fresh for listed in show_runs(app, "last").runs] == [None, None]
        assert finding(app).status == "ok"
    for part in league.state.glob("data/*/warehouse.duckdb*"):
        part.unlink()
    with league.open() as app:
        shown = {listed.run.name: listed.not_fresh for listed in show_runs(app, "last").runs}
        assert shown == {"phase1": None, "phase2": "stale: nba_raw.games 2025-01-13 is gone"}
        found = finding(app)
    assert (found.status, found.cause) == ("failed", "nba_raw.games 2025-01-13 is gone")
    place = f"--source path:{league.folder} --state-dir {league.state}"
    assert found.fix == f"Run them again: nbactl run phase2 --date 2025-01-13 {place}"


def test_what_services_wrote_since_is_not_a_lost_output(league: League) -> None:
    league.run("phase2", days=(FIRST,))
    league.points[FIRST] = 22
    league.write()
    (file,) = league.state.glob("data/*/warehouse.duckdb")
    before = file.read_bytes()
    league.run("phase2", days=(FIRST,))
    file.write_bytes(before)
    with league.open() as app:
        assert (finding(app).status, "is not what this run wrote" in (finding(app).cause or "")) == ("failed", True)
        at = app.clock.now()
        tasks = [use.task for use in app.config.workflows.phases["phase2"].tasks]
        app.documents.commit([Set(f"phase2_completion/{FIRST}", {name: report(at) for name in tasks})])
        assert finding(app).status == "ok"


def report(at: datetime) -> dict[str, Any]:
    return {"status": "success", "completed_at": at, "record_count": 1, "execution_id": "batch-of-a-service"}


def test_a_printed_command_names_the_source_that_was_taken_from_the_ledger(league: League) -> None:
    league.run("phase2", days=(FIRST,))
    for raw in league.state.rglob("*.jsonl"):
        raw.unlink()
    with Container(load_settings({"state_dir": str(league.state)}, {}, league.folder)) as app:
        fix = finding(app).fix
        read_board(app, FIRST.isoformat())
        words = given_options(app.settings, ("source", *PLACE_OPTIONS))
    place = ["--source", f"path:{league.folder}", "--state-dir", str(league.state)]
    assert words == place
    assert fix == f"Run them again: nbactl run phase1 --date 2025-01-13 {' '.join(place)}"


def finding(app: Container) -> Finding:
    return next(found for found in diagnose(app).findings if found.name == "finished dates")
