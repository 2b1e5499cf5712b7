from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from nbactl.pipeline.sources.sample import SampleSource
from nbactl.pipeline.sources.synthetic.calendar import calendar
from nbactl.pipeline.sources.synthetic.league import league
from nbactl.pipeline.teams import TEAM_NAMES

Payload = dict[str, Any]


@pytest.fixture(scope="module")
def source() -> SampleSource:
    return SampleSource()


@pytest.fixture(scope="module")
def days(source: SampleSource) -> list[date]:
    return source.game_dates(date.min, date.max)


@pytest.fixture(scope="module")
def games(source: SampleSource, days: list[date]) -> list[Payload]:
    return [dict(record.payload) for record in source.collect("schedule", days)]


@pytest.fixture(scope="module")
def lines(source: SampleSource, days: list[date]) -> list[Payload]:
    return [dict(record.payload) for record in source.collect("player_boxscores", days)]


def _seconds(line: Payload) -> int:
    if not line["minutes"]:
        return 0
    minutes, seconds = line["minutes"].split(":")
    return int(minutes) * 60 + int(seconds)


def test_the_season_has_thirty_teams_450_players_and_a_backfill_of_sixty_dates(
    source: SampleSource, days: list[date]
) -> None:
    players = {player.player_id for team in league().values() for player in team.players}
    assert len(league()) == 30
    assert len(players) == 450
    assert len([day for day in days if day <= source.latest()]) >= 61
    assert days[-1] > source.latest()


def test_the_same_seed_gives_the_same_season_on_every_machine(source: SampleSource) -> None:
    digest = hashlib.sha256()
    for dataset in sorted(source.datasets()):
        for record in source.collect(dataset, [date(2024, 10, 22), date(2024, 12, 25), source.latest()]):
            digest.update(json.dumps([record.origin, record.payload], sort_keys=True).encode())
    assert digest.hexdigest() == "c39e32d8042523a4d2cd6876ba2b7188dacd53348cb3d7db116cc7e89431587d"


def test_a_date_does_not_depend_on_what_was_asked_before(source: SampleSource) -> None:
    fresh = SampleSource()
    day = date(2024, 12, 1)
    assert list(fresh.collect("player_boxscores", [day])) == list(source.collect("player_boxscores", [day]))


def test_player_points_add_up_to_the_score_and_minutes_to_the_length_of_the_game(
    games: list[Payload], lines: list[Payload]
) -> None:
    points: Counter[tuple[str, str]] = Counter()
    seconds: Counter[tuple[str, str]] = Counter()
    plus_minus: Counter[tuple[str, str]] = Counter()
    for line in lines:
        team = (line["game_id"], line["team"])
        points[team] += line["points"]
        seconds[team] += _seconds(line)
        plus_minus[team] += line["plus_minus"]
    finished = [game for game in games if game["status"] == "final"]
    assert any(game["periods"] > 4 for game in finished)
    for game in finished:
        assert game["home_points"] != game["away_points"]
        for side, other in (("home", "away"), ("away", "home")):
            team = (game["game_id"], game[f"{side}_team"])
            assert points[team] == game[f"{side}_points"]
            assert seconds[team] == 60 * (240 + 25 * (game["periods"] - 4))
            assert plus_minus[team] == 5 * (game[f"{side}_points"] - game[f"{other}_points"])


def test_every_line_is_consistent_in_itself(games: list[Payload], lines: list[Payload]) -> None:
    periods = {game["game_id"]: game["periods"] for game in games}
    for line in lines:
        assert line["points"] == 2 * line["fg_made"] + line["three_made"] + line["ft_made"]
        assert line["rebounds"] == line["offensive_rebounds"] + line["defensive_rebounds"]
        assert 0 <= line["three_made"] <= line["three_attempted"] <= line["fg_attempted"]
        assert line["three_made"] <= line["fg_made"] <= line["fg_attempted"]
        assert 0 <= line["ft_made"] <= line["ft_attempted"]
        assert 0 <= line["personal_fouls"] <= 6
        assert _seconds(line) <= 60 * (48 + 5 * (periods[line["game_id"]] - 4))
        assert bool(line["comment"]) == (line["minutes"] == "")


def test_the_numbers_look_like_those_of_the_league(games: list[Payload], lines: list[Payload]) -> None:
    finished = [game for game in games if game["status"] == "final"]
    sides = 2 * len(finished)

    def a_game(column: str) -> float:
        return float(sum(line[column] for line in lines)) / sides

    assert 105 < a_game("points") < 120
    assert 40 < a_game("rebounds") < 48
    assert 22 < a_game("assists") < 30
    assert 11 < a_game("turnovers") < 16
    assert 80 < a_game("fg_attempted") < 95
    assert 28 < a_game("three_attempted") < 40
    assert 0.5 < sum(game["home_points"] > game["away_points"] for game in finished) / len(finished) < 0.65
    assert 35 <= max(line["points"] for line in lines) <= 70


def test_teams_play_about_every_other_day_with_some_back_to_backs_and_never_three_in_a_row(days: list[date]) -> None:
    played: defaultdict[str, list[date]] = defaultdict(list)
    for day in days:
        teams = [team for fixture in calendar()[day] for team in (fixture.home, fixture.away)]
        assert len(teams) == len(set(teams))
        for team in teams:
            played[team].append(day)
    span = (days[-1] - days[0]).days + 1
    for dates in played.values():
        assert 0.4 < len(dates) / span < 0.55
        assert all(third - first > timedelta(days=2) for first, third in zip(dates, dates[2:], strict=False))
    nights = [pair for dates in played.values() for pair in pairwise(dates)]
    back_to_backs = sum(later - earlier == timedelta(days=1) for earlier, later in nights)
    assert back_to_backs > len(TEAM_NAMES)


def test_everything_says_that_it_is_synthetic(source: SampleSource) -> None:
    for dataset in source.datasets():
        records = list(source.collect(dataset, [source.latest()]))
        assert records, dataset
        assert all(record.payload["synthetic"] is True for record in records)


def test_two_players_share_a_name() -> None:
    names = Counter(player.name for team in league().values() for player in team.players)
    assert sorted(names.values())[-2:] == [1, 2]


def test_the_injured_do_not_play_and_are_on_the_report(source: SampleSource, days: list[date]) -> None:
    checked = 0
    for day in days[:20]:
        out = {
            record.payload["player_id"]
            for record in source.collect("injuries", [day])
            if record.payload["status"] == "out"
        }
        for record in source.collect("player_boxscores", [day]):
            if record.payload["player_id"] in out:
                checked += 1
                assert record.payload["comment"].startswith("DNP - Injury")
    assert checked > 20


def test_what_is_only_scheduled_has_no_result(source: SampleSource, days: list[date]) -> None:
    coming = [day for day in days if day > source.latest()]
    assert not list(source.collect("player_boxscores", coming))
    assert all(record.payload["home_points"] is None for record in source.collect("schedule", coming))
