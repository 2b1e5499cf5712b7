"""The analytics of real dates against the same numbers computed in plain Python from the files."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.pipeline.recomputed import Played, plain, read_played, read_scores
from tests.kit.paths import ROOT
from tests.kit.warehouse import PHASE3, PHASE4, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OFFENSE, DEFENSE, SUMMARY, PLAYERS, TEAMS = PHASE3
CACHE = PHASE4[2]
BOXES = date(2024, 1, 15)
"""Full box scores of eleven games, one with an overtime, in the balldontlie shape."""
LOGS = date(2024, 1, 16)
"""Game logs of a part of the players."""
LATER = date(2025, 3, 15)
"""Full box scores of eight games in the stats.nba.com shape."""
CUP = date(2024, 12, 14)
"""Two games that the logs know and the file of games, and with it their score, does not."""
STATS = ("points", "rebounds", "assists", "steals", "blocks", "turnovers", "three_made", "minutes")


@pytest.fixture(scope="module")
def played(nba_data: Path) -> list[Played]:
    return read_played(nba_data)


@pytest.fixture(scope="module")
def lab(nba_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("real"), f"path:{nba_data}")
    lab.collect(LATER)
    for table in ("raw.games", "raw.player_boxscores"):
        lab.run(table, LATER)
    for day in (BOXES, LOGS, CUP, LATER):
        lab.compute(day)
    yield lab
    lab.warehouse.close()


def rounded(numerator: int, denominator: int) -> float | None:
    """Return the FLOAT64 that is nearest to a fraction."""
    return float(Fraction(numerator, denominator)) if denominator else None


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {plain(row["player_name"]): row for row in rows}


@pytest.mark.parametrize(("day", "players", "points"), [(BOXES, 229, 2_399), (LATER, 157, 1_814)])
def test_every_player_who_played_has_his_box_score(
    lab: Lab, played: list[Played], day: date, players: int, points: int
) -> None:
    rows = by_name(lab.partition(SUMMARY, day))
    expected = {plain(one.name): one for one in played if one.day == day}
    assert len(rows) == len(expected) == players
    assert sum(row["points"] for row in rows.values()) == points
    for name, one in expected.items():
        row = rows[name]
        assert (row["team_abbr"], row["opponent_team_abbr"]) == (one.team, one.opponent)
        assert {stat: row[stat] for stat in one.stats} == one.stats


@pytest.mark.parametrize("day", [BOXES, LOGS, LATER])
def test_shooting_efficiency(lab: Lab, played: list[Played], day: date) -> None:
    rows = by_name(lab.partition(SUMMARY, day))
    for one in (one for one in played if one.day == day):
        row = rows[plain(one.name)]
        assert row["ts_pct"] == pytest.approx(one.true_shooting), one
        assert row["efg_pct"] == pytest.approx(one.effective_field_goals), one
        stats = one.stats
        shots = 100 * stats["fg_attempted"] + 44 * stats["ft_attempted"]
        assert row["ts_pct"] == rounded(50 * stats["points"], shots), one
        assert row["efg_pct"] == rounded(2 * stats["fg_made"] + stats["three_made"], 2 * stats["fg_attempted"]), one


@pytest.mark.parametrize("day", [BOXES, LATER])
def test_usage_where_all_players_are_there(lab: Lab, played: list[Played], day: date) -> None:
    today = [one for one in played if one.day == day]
    rows = by_name(lab.partition(SUMMARY, day))
    for one in today:
        team = [mate for mate in today if mate.team == one.team]
        minutes, plays = sum(mate.stats["minutes"] for mate in team), sum(mate.plays for mate in team)
        own = one.stats["minutes"]
        expected = 100 * one.plays * (minutes / 5) / (own * plays) if own else None
        assert rows[plain(one.name)]["usage_rate"] == pytest.approx(expected), one


@pytest.mark.parametrize("day", [BOXES, LOGS, LATER])
def test_form_before_the_game(lab: Lab, played: list[Played], day: date) -> None:
    rows = by_name(lab.partition(SUMMARY, day))
    with_history = 0
    today = {plain(one.name): one for one in played if one.day == day}
    seasons = {one.season for one in today.values()}
    history: dict[tuple[str, str], list[Played]] = {}
    for earlier in reversed([one for one in played if one.day < day and one.season in seasons]):
        history.setdefault((plain(earlier.name), earlier.season), []).append(earlier)
    for name, one in today.items():
        row = rows[name]
        past = history.get((name, one.season), [])
        with_history += bool(past)
        assert row["games_played_before"] == len(past)
        assert row["rest_days"] == ((day - past[0].day).days - 1 if past else None)
        for stat in STATS:
            for window, games in (("last_5", past[:5]), ("last_10", past[:10]), ("season", past)):
                expected = rounded(sum(game.stats[stat] for game in games), len(games)) if games else None
                assert row[f"{stat}_avg_{window}"] == expected, (one.name, stat, window)
    assert with_history > 10


@pytest.mark.parametrize("day", [BOXES, LATER])
def test_spread_and_weighted_form_are_exact(lab: Lab, played: list[Played], day: date) -> None:
    cache = {row["player_lookup"]: row for row in lab.partition(CACHE, day)}
    season = next(one.season for one in played if one.day == day)
    history: dict[str, list[Played]] = {}
    for one in reversed([one for one in played if one.day < day and one.season == season]):
        history.setdefault(plain(one.name), []).append(one)
    compared = 0
    for player in lab.partition(PLAYERS, day):
        past = history.get(plain(player["player_name"]), [])
        if len(past) != player["games_played"]:
            continue  # one of two players of a name
        compared += 1
        row = cache[player["player_lookup"]]
        for stat in STATS:
            numbers = [game.stats[stat] for game in past]
            count, sums, squares = len(last := numbers[:10]), sum(last), sum(number**2 for number in last)
            variance = rounded(count * squares - sums**2, count * (count - 1))
            assert row[f"{stat}_stddev_last_10"] == (None if variance is None else math.sqrt(variance)), player
            weights = [round(10**11 * Fraction(17, 20) ** back) for back in range(min(20, len(numbers)))]
            weighted = sum(weight * number for weight, number in zip(weights, numbers, strict=False))
            assert row[f"{stat}_avg_weighted"] == rounded(weighted, sum(weights)), player
    assert compared > 50


ROUNDED = ("_stddev_last_10", "_avg_weighted", "pace_season", "_rating_season", "pace_factor", "composite_factor")
"""Columns that were rounded to six decimals, and those computed from them."""


@pytest.mark.parametrize("day", [BOXES, LOGS, LATER])
def test_numbers_are_those_of_the_sums_of_doubles(lab: Lab, day: date) -> None:
    known = json.loads((ROOT / "tests/data/sums_before_exact_arithmetic.json").read_text(encoding="utf-8"))
    compared = 0
    for table, columns in known[day.isoformat()].items():
        rows = lab.partition(table, day)
        for column, (count, total, squares) in columns.items():
            numbers = [row[column] for row in rows if row[column] is not None]
            off = 1e-6 * count if column.endswith(ROUNDED) else 1e-9 * math.sqrt(count * squares)
            assert len(numbers) == count, (table, column)
            assert math.fsum(numbers) == pytest.approx(total, rel=0, abs=off), (table, column)
            assert math.fsum(number**2 for number in numbers) == pytest.approx(squares, rel=1e-5, abs=1e-9)
            compared += count
    assert compared > 1_000


@pytest.mark.parametrize("day", [BOXES, LOGS, LATER])
def test_team_points_are_the_final_scores(lab: Lab, nba_data: Path, day: date) -> None:
    expected = {score: count for (when, score), count in read_scores(nba_data).items() if when == day}
    for table in (OFFENSE, DEFENSE):
        found = [row["points"] for row in lab.partition(table, day)]
        assert {score: found.count(score) for score in found} == expected


@pytest.mark.parametrize("day", [BOXES, LATER])
def test_full_box_scores_are_known_to_be_complete(lab: Lab, played: list[Played], day: date) -> None:
    for row in lab.partition(OFFENSE, day):
        team = [one for one in played if one.day == day and one.team == row["team_abbr"]]
        assert row["box_complete"]
        assert row["points"] == row["player_points"] == sum(one.stats["points"] for one in team)
        assert row["rebounds"] == sum(one.stats["rebounds"] for one in team)
        assert 0.99 < row["minutes_coverage"] <= 1
        assert 85 < row["pace"] < 120


def test_the_overtime_is_seen(lab: Lab) -> None:
    rows = lab.partition(OFFENSE, BOXES)
    assert {row["team_abbr"] for row in rows if row["periods"] == 5} == {"BKN", "MIA"}
    assert {row["periods"] for row in rows if row["team_abbr"] not in ("BKN", "MIA")} == {4}


def test_partial_logs_do_not_pass_for_team_totals(lab: Lab, played: list[Played]) -> None:
    rows = lab.partition(OFFENSE, LOGS)
    assert rows
    for row in rows:
        minutes = sum(one.stats["minutes"] for one in played if one.day == LOGS and one.team == row["team_abbr"])
        assert row["minutes_coverage"] == pytest.approx(minutes / 240)
        assert row["minutes_coverage"] < 0.8
        assert (row["box_complete"], row["fg_attempted"], row["offensive_rating"]) == (False, None, None)
    assert {row["usage_rate"] for row in lab.partition(SUMMARY, LOGS)} == {None}


def test_expected_players_are_found_without_the_box_scores_of_the_date(lab: Lab, played: list[Played]) -> None:
    # a part of the league is covered; of its players who played, nearly all had played for the team lately
    expected = {plain(row["player_name"]) for row in lab.partition(PLAYERS, LOGS)}
    actual = {plain(one.name) for one in played if one.day == LOGS}
    assert len(expected & actual) >= 0.9 * len(actual)
    latest = {plain(one.name): one for one in played if one.day < LOGS}
    for row in lab.partition(PLAYERS, LOGS):
        last = latest[plain(row["player_name"])]
        assert (row["team_abbr"], row["last_game_date"]) == (last.team, last.day)


def test_every_team_of_the_date_has_a_context(lab: Lab) -> None:
    rows = lab.partition(TEAMS, BOXES)
    assert len(rows) == 22
    for row in rows:
        assert row["wins"] + row["losses"] == row["games_played"] > 30
        assert 100 < row["points_avg_season"] < 130


def test_games_that_only_the_logs_know_are_not_lost(lab: Lab, played: list[Played]) -> None:
    rows = {row["team_abbr"]: row for row in lab.partition(OFFENSE, CUP)}
    assert set(rows) == {"ATL", "MIL", "HOU", "OKC"} == {one.team for one in played if one.day == CUP}
    assert {(row["points"], row["box_complete"]) for row in rows.values()} == {(None, False)}
    assert len(lab.partition(SUMMARY, CUP)) == sum(one.day == CUP for one in played)


def test_the_players_of_a_real_date_are_predicted_and_graded(lab: Lab) -> None:
    expected = {row["player_lookup"] for row in lab.partition(PHASE4[4], LATER)}
    played_it = {row["player_lookup"] for row in lab.partition(SUMMARY, LATER)}
    assert lab.run("predictions.players", LATER).rows == 3 * len(expected) > 200
    graded = lab.run("predictions.grade", LATER + timedelta(days=1))
    assert graded.rows == 3 * len(expected & played_it) > 150
    assert graded.detail["did_not_play"] == len(expected - played_it)
    rows = lab.partition("nba_predictions.prediction_accuracy", LATER)
    points = [row["absolute_error"] for row in rows if row["stat"] == "points"]
    assert sum(points) / len(points) < 6
    assert 0.7 < sum(row["in_interval"] for row in rows) / len(rows) < 0.9
