"""Dates without games and dates that are not played yet are green; dates whose data are missing are not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.errors import DataError, PreconditionError
from nbactl.pipeline import transform
from nbactl.pipeline.statements import table_sql
from tests.kit.mini_season import GAMES, OPENING, TRADE, put
from tests.kit.records import game
from tests.kit.warehouse import PHASE3, PHASE4, TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUMMARIES = PHASE3[:3]


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("empty"))
    put(lab, GAMES)
    lab.compute(TRADE)
    yield lab
    lab.warehouse.close()


def run(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code = main(["run", *arguments, "-o", "json", "--state-dir", str(state)])
    return code, json.loads(capsys.readouterr().out)["data"]["runs"]


def statuses(runs: list[dict[str, Any]]) -> dict[str, str]:
    return {
        task["name"]: task["status"]
        for run in runs
        if run["status"] in ("succeeded", "partial")
        for task in run["tasks"]
    }


def test_a_day_without_games_is_green_in_every_phase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, runs = run(capsys, tmp_path, "daily", "--date", "2024-11-05")
    assert code == 0
    assert [one["status"] for one in runs] == ["succeeded"] * 6
    tasks = statuses(runs)
    assert len(tasks) == 21
    assert set(tasks.values()) == {"no_data"}


def test_a_coming_date_has_contexts_and_what_is_made_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, runs = run(capsys, tmp_path, "phase4", "--date", "2025-01-08")
    assert code == 3, "its games are not over, though the date is long past"
    tasks = statuses(runs)
    played = {"player_boxscores", "p2_player_boxscores", *(table.partition(".")[2] for table in SUMMARIES)}
    assert {name for name, status in tasks.items() if status == "no_data"} == played
    assert {table.partition(".")[2] for table in PHASE4} <= tasks.keys() - played


@pytest.mark.parametrize(
    ("first", "last", "outside"),
    [
        ("2024-10-20", "2024-10-23", "2 of the dates (2024-10-20 to 2024-10-21)"),
        ("2024-10-21", "2024-10-22", "1 of the dates (2024-10-21)"),
        ("2025-01-13", "2025-01-16", "2 of the dates (2025-01-15 to 2025-01-16)"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_inv_24_a_range_that_leaves_the_source_names_the_dates_outside_and_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str, last: str, outside: str, *, dry_run: bool
) -> None:
    arguments = ["run", "phase1", "--from", first, "--to", last, *(["--dry-run"] if dry_run else [])]
    code = main([*arguments, "-o", "json", "--state-dir", str(tmp_path)])
    answer = json.loads(capsys.readouterr().out)
    assert (code, answer["ok"], answer["error"]["code"]) == (3, False, "run_partial")
    assert answer["warnings"] == [
        f"nothing was looked at on {outside}: the games of sample are from 2024-10-22 to 2025-01-14"
    ]
    if not dry_run:
        assert {one["status"] for one in answer["data"]["runs"]} == {"succeeded"}


@pytest.mark.parametrize(
    ("last", "more"),
    [("2024-09-01", []), ("2024-10-21", []), ("2024-10-21", ["--dry-run"]), ("2024-10-21", ["--force"])],
)
def test_inv_24_a_range_outside_of_the_source_fails_as_a_single_date_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str, more: list[str]
) -> None:
    assert main(["run", "phase1", "--from", "2024-09-01", "--to", last, *more, "--state-dir", str(tmp_path)]) == 1
    assert "its games are from 2024-10-22 to 2025-01-14" in capsys.readouterr().err


def test_a_range_without_games_inside_of_the_season_has_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"00224000{n},2025-01-{day},BOS,110,NYK,100\n" for n, day in ((61, 10), (62, 14)))
    (tmp_path / "games.csv").write_text("GAME_ID,GAME_DATE,hometeamName,homeScore,awayteamName,awayScore\n" + rows)
    place = ["--source", f"path:{tmp_path}", "--state-dir", str(tmp_path / "state")]
    assert main(["run", "phase1", "--from", "2025-01-11", "--to", "2025-01-13", *place]) == 0
    assert "Nothing to do: no games on these dates." in capsys.readouterr().err


def test_inv_15_no_rows_of_a_day_that_was_never_collected_are_no_success(season: Lab) -> None:
    for table in TABLES:
        with pytest.raises(PreconditionError, match="no raw schedule"):
            season.compute(date(2023, 11, 3), (table,))


def test_inv_15_no_rows_of_games_that_phase_2_did_not_write_are_no_success(season: Lab) -> None:
    day = date(2023, 11, 6)
    season.collect_records(day, [game()], [])
    for table in TABLES:
        with pytest.raises(PreconditionError, match=r"nba_raw\.games is empty") as caught:
            season.compute(day, (table,))
        assert caught.value.next_step == f"Write them: nbactl run phase2 --date {day}"


def test_inv_15_a_statement_that_loses_its_rows_is_no_success(season: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "table_sql", lambda name: f"SELECT * FROM ({table_sql(name)}) WHERE FALSE")  # noqa: S608
    accepted = []
    for table in reversed(TABLES):  # those that read it come first
        try:
            season.compute(TRADE, (table,))
            accepted.append(table)
        except DataError as error:
            assert f"{table} has no row of {TRADE} though it should" in str(error)  # noqa: PT017 - of every table
    assert accepted == []


def test_inv_15_games_that_are_over_without_box_scores_have_no_empty_summary(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, [replace(GAMES[2], missing=tuple(f"{team}{n}" for team in ("ant", "bee") for n in range(1, 6)))])
    with pytest.raises(DataError, match="no row of 2023-11-01") as caught:
        lab.compute(OPENING, SUMMARIES[2:])
    assert caught.value.cause == "The date has games over: 1."
    lab.warehouse.close()
