"""The dates before a range, which its runs fill in: what changes of them later changes the range."""

from __future__ import annotations

import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.workflows.model import RunStatus, exit_code
from tests.kit.league import League

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbactl.workflows.model import RunReport

FIRST, SECOND, THIRD, FOURTH = (date(2025, 1, day) for day in (13, 14, 16, 18))
RANGE = (THIRD, FOURTH)
LATE = (THIRD,)
TABLES = (
    "nba_raw.games",
    "nba_raw.player_boxscores",
    "nba_analytics.player_game_summary",
    "nba_analytics.upcoming_player_game_context",
)
COMPARED = ("player_game_summary", "upcoming_player_game_context")
"""The tasks of phase 3 whose tables are compared."""
pytestmark = pytest.mark.timeout(300)


POINTS = {FIRST: 20, SECOND: 30, THIRD: 16, FOURTH: 18}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> League:
    """Return a league of which a late date has been run."""
    league = League(tmp_path_factory.mktemp("finished"), POINTS)
    assert exit_code(league.run("phase3", only=COMPARED, days=LATE)) == 0
    league.keep()
    return league


@pytest.fixture
def league(finished: League) -> League:
    return finished.restore()


def tables(league: League, state: str) -> dict[str, Any]:
    select = "SELECT * FROM {}"
    return {name: sorted(map(str, league.rows(select.format(name), state))) for name in TABLES}


def skipped(report: RunReport) -> bool:
    return {run.status for run in report.runs} == {RunStatus.SKIPPED}


def reasons(report: RunReport) -> set[str]:
    return {task.reason for run in report.runs for task in run.tasks if (task.reason or "").startswith("stale")}  # type: ignore[misc]


def scores(league: League) -> None:
    league.points[FIRST] = 28


def is_added(league: League) -> None:
    league.points[date(2025, 1, 12)] = 40


def is_gone(league: League) -> None:
    del league.points[FIRST]


def is_repaired(league: League) -> None:
    del league.minutes[FIRST]


def gets_an_alias(league: League) -> None:
    (league.folder / "aliases.csv").write_text("alias,player\nSample CHI A,Sample CHI Alpha\n")


@pytest.mark.parametrize("change", [scores, is_added, is_gone, is_repaired, gets_an_alias])
def test_inv_23_a_change_before_the_range_brings_the_range_to_the_numbers_of_a_fresh_run(
    finished: League, tmp_path: Path, change: Callable[[League], None]
) -> None:
    days: tuple[date, ...] = LATE
    if change is is_repaired:
        days = RANGE
        league = League(tmp_path, POINTS)
        league.minutes[FIRST] = "??"
        league.write()
        assert exit_code(league.run("phase3", only=COMPARED, days=days)) == 0
    else:
        league = finished.restore()
    assert skipped(league.run("phase3", only=COMPARED, days=days))
    change(league)
    league.write()
    again = league.run("phase3", only=COMPARED, days=days)
    assert exit_code(again) == 0
    league.run("phase3", only=COMPARED, days=days, state="fresh")
    assert tables(league, "state") == tables(league, "fresh")
    assert skipped(league.run("phase3", only=COMPARED, days=days))


def test_inv_23_the_reason_names_the_date_that_changed(league: League) -> None:
    scores(league)
    league.write()
    found = reasons(league.run("phase3", only=COMPARED, days=LATE))
    changed = (f"the source of {FIRST}", f"the raw file of schedule {FIRST}")
    assert {f"stale: {text} changed" for text in changed} < found
    assert any(f"nba_raw.player_boxscores {FIRST}" in text for text in found)


def test_inv_23_an_older_copy_of_the_warehouse_has_its_past_filled_in_again(league: League, tmp_path: Path) -> None:
    shutil.copytree(league.state, tmp_path / "copy")
    scores(league)
    league.write()
    league.run("phase3", only=COMPARED, days=LATE)
    for copy in (tmp_path / "copy").rglob("*.duckdb*"):
        shutil.copy2(copy, league.state / copy.relative_to(tmp_path / "copy"))
    league.run("phase3", only=COMPARED, days=LATE)
    league.run("phase3", only=COMPARED, days=LATE, state="fresh")
    assert tables(league, "state") == tables(league, "fresh")


@pytest.mark.parametrize("day", [FIRST, FOURTH])
def test_inv_23_a_change_of_a_date_that_was_run_outside_of_the_range_is_named_with_the_command(
    tmp_path: Path, day: date
) -> None:
    league = League(tmp_path, POINTS)
    days = (FIRST, SECOND, THIRD, FOURTH)
    league.run("phase2", days=days)
    league.points[day] = 28
    league.write()
    report = league.run("phase2", days=(SECOND, THIRD))
    assert report.outdated is not None
    assert report.outdated.first.day == day
    assert f"phase1 {day}" in report.outdated.stale
    assert league.run("phase2", days=(SECOND, THIRD), stale_on="code").outdated is None
    assert exit_code(league.run("phase2", days=days)) == 0
    assert league.run("phase2", days=(SECOND, THIRD)).outdated is None
