"""Phases 5 and 6 in one process: predicted, exported, graded the day after, and done again only for a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError, PreconditionError
from nbactl.pipeline.predict.export import export_predictions
from nbactl.pipeline.predict.history import load_inputs
from nbactl.pipeline.predict.model import MOST_GAMES, predict
from nbactl.pipeline.predict.writing import TABLE, merge_predictions
from nbactl.workflows.model import RunStatus, exit_code
from tests.kit.league import PLAYERS, League
from tests.kit.mini_season import COMING, GAMES, HOT, OPENING, TRADE, Game, put
from tests.kit.warehouse import TIMEOUT, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.pipeline.predict.model import Prediction
    from nbactl.workflows.model import RunReport, TaskRecord

FIRST, SECOND, THIRD = (date(2025, 1, day) for day in (13, 14, 15))
DAYS = (SECOND, THIRD)
"""The first date is one that phases 1 and 2 fill in."""
ROWS = 3 * 2 * PLAYERS
"""Three statistics of every player of both teams."""
ACCURACY = "SELECT * FROM nba_predictions.prediction_accuracy ORDER BY game_date, player_lookup, stat"
PREDICTIONS = f"SELECT * FROM {TABLE} ORDER BY game_date, player_lookup, stat"  # noqa: S608
AFTER = COMING + timedelta(days=1)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def run_before(tmp_path_factory: pytest.TempPathFactory) -> tuple[League, RunReport]:
    league = League(tmp_path_factory.mktemp("predicted"), {FIRST: 20, SECOND: 30, THIRD: 16})
    report = league.run("daily", days=DAYS)
    league.keep()
    return league, report


@pytest.fixture
def league(run_before: tuple[League, RunReport]) -> League:
    """Return a league of which all phases of all dates are finished."""
    return run_before[0].restore()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    put(lab, GAMES)
    lab.compute(COMING)
    yield lab
    lab.warehouse.close()


def tasks(report: RunReport, day: date) -> dict[str, TaskRecord]:
    return {task.name: task for run in report.runs if run.game_date.day == day for task in run.tasks}


def done(report: RunReport) -> list[str]:
    """Return what ran of phases 5 and 6, by day."""
    return [
        f"{run.game_date.day.day} {task.name}"
        for run in report.runs
        if run.status is not RunStatus.SKIPPED and run.name in ("phase5", "phase6")
        for task in run.tasks
        if task.carried_from is None and task.status.done
    ]


def exported(league: League, day: date) -> Path:
    (folder,) = (league.state / "data").glob("*/exports")
    return folder / f"{day}.json"


def test_every_phase_runs_in_one_process(run_before: tuple[League, RunReport], league: League) -> None:
    _, report = run_before
    assert exit_code(report) == 0
    second, third = (tasks(report, day) for day in DAYS)
    assert second["player_prop_predictions"].rows == second["predictions_export"].rows == ROWS
    assert second["prediction_accuracy"].detail["reason"] == f"there are no predictions of {FIRST}"
    assert third["prediction_accuracy"].rows == ROWS
    graded = league.rows(ACCURACY)
    assert {row["game_date"] for row in graded} == {SECOND}
    # All scored 20 on the first date and 30 on the second; the home team two more on both.
    away = next(row for row in graded if row["player_lookup"] == "sampledeta" and row["stat"] == "points")
    assert (away["actual_value"], away["predicted_value"], away["absolute_error"]) == (30, 20.0, 10.0)


def test_the_export_has_every_player_with_what_is_expected_of_him(league: League) -> None:
    data = json.loads(exported(league, SECOND).read_text())
    assert data["game_date"] == str(SECOND)
    assert len(data["players"]) == 2 * PLAYERS
    player = next(player for player in data["players"] if player["player_lookup"] == "sampledeta")
    points = player["predictions"].pop("points")
    assert player.pop("predictions").keys() == {"assists", "rebounds"}
    assert player == {
        "player_lookup": "sampledeta",
        "player_name": "Sample DET A",
        "team_abbr": "DET",
        "opponent_team_abbr": "CHI",
        "game_id": "0022400001",
    }
    assert points["predicted_value"] == 20.0
    assert 0 < points["low"] < 20 < points["high"]
    assert points["is_partial"] is False


def test_what_is_finished_is_skipped_and_what_is_lost_is_made_again(league: League) -> None:
    assert {run.status for run in league.run("daily", days=DAYS).runs} == {RunStatus.SKIPPED}
    before = exported(league, THIRD).read_bytes()
    exported(league, THIRD).unlink()
    again = league.run("daily", days=DAYS)
    assert done(again) == ["15 predictions_export"]
    assert exported(league, THIRD).read_bytes() == before
    graded = league.rows(ACCURACY)
    with league.open() as app:
        app.warehouse.run_dml(["DELETE FROM nba_predictions.prediction_accuracy WHERE stat = 'points'"], timeout=30.0)
    assert done(league.run("daily", days=DAYS)) == ["15 prediction_accuracy"]
    assert [{**row, "graded_at": None} for row in league.rows(ACCURACY)] == [
        {**row, "graded_at": None} for row in graded
    ]


def test_doing_it_again_without_a_change_changes_nothing_downstream(league: League) -> None:
    before = league.rows(PREDICTIONS), league.rows(ACCURACY)
    again = league.run("phase5", days=(SECOND,), force=True)
    assert done(again) == ["14 player_prop_predictions"]
    assert (league.rows(PREDICTIONS), league.rows(ACCURACY)) == before
    assert done(league.run("daily", days=DAYS)) == []


def test_a_corrected_past_is_predicted_and_graded_again(league: League) -> None:
    league.points[SECOND] = 26
    league.write()
    again = league.run("daily", days=DAYS)
    assert done(again) == ["15 player_prop_predictions", "15 predictions_export", "15 prediction_accuracy"]
    points = {(row["game_date"], row["actual_value"]) for row in league.rows(ACCURACY) if row["stat"] == "points"}
    assert points == {(SECOND, 26), (SECOND, 28)}


def test_phases_that_find_nothing_say_what_to_run_first(lab: Lab) -> None:
    lab.replace(TABLE, [COMING], [])
    for name, day, said in (
        ("predictions.players", TRADE, "Compute them: nbactl run phase3 --date 2023-11-07"),
        ("predictions.export", COMING, "Predict: nbactl run phase5 --date 2023-11-08"),
    ):
        with pytest.raises(PreconditionError) as refused:
            lab.run(name, day)
        assert refused.value.next_step == said


def test_a_day_before_without_results_is_not_passed_over(lab: Lab) -> None:
    assert lab.run("predictions.players", COMING).rows == 60
    with pytest.raises(PreconditionError, match="no prediction of 2023-11-08 can be graded"):
        lab.run("predictions.grade", AFTER)
    put(lab, [replace(game, score=(102, 100)) if game.home == "DOG" else game for game in GAMES if game.day == COMING])
    part = lab.run("predictions.grade", AFTER)
    assert part.rows == 30
    assert part.detail["warnings"] == ["10 players of 2023-11-08 are not graded: no result of their game"]
    assert (part.detail["graded"], part.detail["did_not_play"]) == ("2023-11-08", 0)
    put(lab, [game for game in GAMES if game.day == COMING])


def test_only_the_latest_games_of_a_player_are_read(lab: Lab) -> None:
    days = [OPENING - timedelta(days=30 + n) for n in range(MOST_GAMES + 2)]
    put(lab, [Game(day, "ANT", "BEE", (112, 100), season="2022-23") for day in days])
    games = load_inputs(lab.resources, COMING, ["ant1"])["ant1"].games
    assert len(games) == MOST_GAMES
    assert [game.game_date for game in games] == sorted((game.game_date for game in games), reverse=True)


def test_nothing_of_the_date_or_later_changes_a_prediction(lab: Lab) -> None:
    def predictions() -> dict[str, tuple[Prediction, ...]]:
        found = load_inputs(lab.resources, COMING)
        return {player: predict(one, partial=False) for player, one in found.items() if one.games}

    before = predictions()
    today = [game for game in GAMES if game.day == COMING]
    over = [replace(game, score=(130, 90), lines=(("ant1", HOT), ("dog1", HOT))) for game in today]
    put(lab, [*over, Game(AFTER, "ANT", "DOG", (150, 90), lines=(("ant1", HOT),))])
    assert predictions() == before
    # While what is earlier does: the test sees a change where there is one.
    put(lab, [replace(game, lines=(("ant5", HOT),)) for game in GAMES if game.day == TRADE])
    assert predictions() != before
    put(lab, [game for game in GAMES if game.day in (TRADE, COMING)])


def test_players_without_history_are_named_and_the_others_predicted(lab: Lab) -> None:
    features = lab.partition("nba_precompute.ml_feature_store", COMING)
    new = {**features[0], "player_lookup": "new1"}
    lab.replace("nba_precompute.ml_feature_store", [COMING], [*features, new])
    outcome = lab.run("predictions.players", COMING)
    assert outcome.rows == 3 * len(features)
    assert outcome.detail["without_history"] == ["new1"]
    assert outcome.detail["notes"] == [f"no prediction of 1 of {len(features) + 1} players, who have no game in a year"]


def write(lab: Lab, batch: str, *players: tuple[str, str, float]) -> None:
    rows = [
        {
            "game_date": str(TRADE),
            "game_id": "g",
            "player_lookup": player,
            "stat": stat,
            "system_id": "weighted_recent",
            "predicted_value": value,
            "low": 0.0,
            "high": 30.0,
            "confidence": 0.5,
            "is_partial": False,
        }
        for player, stat, value in players
    ]
    lab.replace(TABLE, [TRADE], [])
    merge_predictions(lab.warehouse, TRADE, rows, batch_id=batch, timeout=TIMEOUT)


def test_an_export_never_removes_what_it_does_not_replace(lab: Lab, tmp_path: Path) -> None:
    write(lab, "b1", ("ann", "points", 10.0), ("ann", "assists", 2.0), ("bob", "points", 11.0))
    assert export_predictions(lab.resources, TRADE, tmp_path) == 3
    write(lab, "b2", ("ann", "points", 12.0), ("cid", "points", 13.0))
    assert export_predictions(lab.resources, TRADE, tmp_path) == 2
    players = json.loads((tmp_path / f"{TRADE}.json").read_text())["players"]
    assert {
        player["player_lookup"]: {stat: one["predicted_value"] for stat, one in player["predictions"].items()}
        for player in players
    } == {"ann": {"assists": 2.0, "points": 12.0}, "bob": {"points": 11.0}, "cid": {"points": 13.0}}
    before = (tmp_path / f"{TRADE}.json").read_bytes()
    export_predictions(lab.resources, TRADE, tmp_path)
    assert (tmp_path / f"{TRADE}.json").read_bytes() == before
    # Without predictions the file stays, and a damaged one is not overwritten.
    assert export_predictions(lab.resources, OPENING, tmp_path) == 0
    assert [path.name for path in tmp_path.glob("*.json")] == [f"{TRADE}.json"]
    (tmp_path / f"{TRADE}.json").write_text('{"players": 3}')
    with pytest.raises(DataError, match=f"{TRADE}.json is damaged"):
        export_predictions(lab.resources, TRADE, tmp_path)
    assert (tmp_path / f"{TRADE}.json").read_text() == '{"players": 3}'
