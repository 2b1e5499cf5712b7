"""Games that are not the thirty teams' are set aside and counted; teams that are misspelt are still a fault."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from nbactl.pipeline.boxscores import boxscores_of
from nbactl.pipeline.games import games_of
from nbactl.pipeline.lookup import Lookups
from nbactl.pipeline.sources.base import RawRecord
from tests.kit.records import DAY, bdl_payload, game_payload, log_payload

AUTUMN = date(2024, 10, 5)


def scoreboard(day: date = DAY, **changes: Any) -> RawRecord:
    """Return a game of the league's schedule; `home` and `away` are tricodes."""
    sides = {side: {"teamTricode": changes.pop(name), "score": 100 + len(name)} for side, name in
             (("homeTeam", "home"), ("awayTeam", "away")) if name in changes}  # fmt: skip
    game = {
        "gameId": "0022300559",
        "gameStatus": 3,
        "homeTeam": {"teamTricode": "ATL", "score": 109},
        "awayTeam": {"teamTricode": "SAS", "score": 99},
        **sides,
        **changes,
    }
    return RawRecord("schedule", day, "scoreboard", "scoreboardv3", {"GAME_DATE": day.isoformat(), "game": game})


def game(day: date = DAY, **changes: Any) -> RawRecord:
    return RawRecord("schedule", day, "game", "games.csv:2", game_payload(GAME_DATE=day.isoformat(), **changes))


def log(day: date = DAY, **changes: Any) -> RawRecord:
    payload = log_payload(GAME_DATE=day.isoformat(), **changes)
    return RawRecord("player_boxscores", day, "player_game_log", "logs.csv:2", payload)


def bdl(day: date, home: str, away: str) -> RawRecord:
    teams = {"home_team": {"abbreviation": home}, "visitor_team": {"abbreviation": away}}
    payload = bdl_payload()
    payload["game"] |= {"date": day.isoformat(), **teams}
    return RawRecord("schedule", day, "bdl", "bdl.json:data[0]", payload)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (scoreboard(gameId="0032300001", home="LBN", away="GNS"), "all_star"),
        (scoreboard(gameId="0032300001", home="EST", away="WST"), "all_star"),
        (scoreboard(gameId="0032300004", home="", away=""), "all_star"),
        (scoreboard(gameId="0042300401", gameStatus=1, home="", away=""), "undetermined_teams"),
        (scoreboard(gameId="0042300401", gameStatus=1, home="BOS", away=""), "undetermined_teams"),
        (scoreboard(gameId="0042300401", gameStatus=1, home="TBD", away="TBD"), "undetermined_teams"),
        (scoreboard(gameId="0042300401", gameStatus=1, home="BOS", away=None), "undetermined_teams"),
        (scoreboard(gameId="0012300001", home="PHX", away="RMD"), "foreign_club"),
        (game(GAME_ID="12300001.0", HOMETEAMNAME="Real Madrid"), "foreign_club"),
        (game(GAME_ID="x", SEASON_TYPE="Pre Season", HOMETEAMNAME="Melbourne United"), "foreign_club"),
        (game(GAME_ID="32300001", HOMETEAMNAME="Team LeBron", AWAYTEAMNAME="Team Giannis"), "all_star"),
        (game(GAME_ID="x", SEASON_TYPE="All Star", HOMETEAMNAME="East", AWAYTEAMNAME="West"), "all_star"),
        (game(GAME_ID="1022400010", HOMETEAMNAME="ATL", AWAYTEAMNAME="CHI"), "other_league"),
        (game(HOMETEAMNAME="TBD", HOMESCORE="", AWAYSCORE=""), "undetermined_teams"),
        (game(HOMETEAMNAME="", HOMESCORE="", AWAYSCORE=""), "undetermined_teams"),
        (bdl(AUTUMN, "PHX", "RMD"), "foreign_club"),
        (bdl(DAY, "LBN", "GNS"), "other_teams"),
        (log(GAME_ID="32300001.0", MATCHUP="CHK vs. SHQ"), "all_star"),
        (log(GAME_ID="0012300001", MATCHUP="PHX vs. RMD"), "foreign_club"),
    ],
)
def test_a_game_of_others_is_set_aside(record: RawRecord, kind: str) -> None:
    outcome = games_of(record.game_date, [record], "test").outcome
    assert outcome.set_aside == Counter({kind: 1})
    assert not outcome.rows
    assert not outcome.quarantined
    assert bool(outcome.warnings) is (kind == "other_teams")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"GAME_ID": "32300001", "MATCHUP": "CHK vs. SHQ"}, "all_star"),
        ({"GAME_ID": "0012300001", "MATCHUP": "PHX vs. RMD"}, "foreign_club"),
        ({"GAME_ID": "0012300001", "MATCHUP": "RMD @ PHX"}, "foreign_club"),
        ({"GAME_ID": "1022400010", "MATCHUP": "ATL vs. CHI"}, "other_league"),
    ],
)
def test_the_rows_of_its_players_are_set_aside_too(changes: dict[str, Any], kind: str) -> None:
    outcome = boxscores_of(DAY, [log(**changes)], {}, Lookups())
    assert outcome.set_aside == Counter({kind: 1})
    assert not outcome.quarantined


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (scoreboard(home="XXX"), "unknown_team"),
        (scoreboard(home="XXX", away="YYY"), "unknown_team"),
        (scoreboard(home=""), "missing_value"),
        (game(HOMETEAMNAME="Atlanta Eagles"), "unknown_team"),
        (game(HOMETEAMNAME=""), "missing_value"),
        (log(MATCHUP="ATL vs. XXX"), "unknown_team"),
        (bdl(DAY, "PHX", "XXX"), "unknown_team"),
    ],
)
def test_inv_15_a_misspelt_team_in_a_game_that_counts_is_a_fault(record: RawRecord, reason: str) -> None:
    outcome = games_of(DAY, [record], "test").outcome
    assert [bad.reason for bad in outcome.quarantined] == [reason]


@pytest.mark.parametrize(
    ("game_id", "season_type"),
    [
        ("0012300001", "preseason"),
        ("0022300559", "regular"),
        ("0042300101", "playoffs"),
        ("0052300101", "play_in"),
        ("0062300001", "cup"),
    ],
)
def test_the_id_says_what_kind_of_game_it_is_whatever_the_file_states(game_id: str, season_type: str) -> None:
    (row,) = games_of(DAY, [game(GAME_ID=game_id, SEASON_TYPE="Regular Season")], "test").outcome.rows
    assert row[3] == season_type


@pytest.mark.parametrize("stated", ["NBA Cup", "IST", "In-Season Tournament", "cup"])
def test_without_an_id_the_cup_is_what_the_source_calls_it(stated: str) -> None:
    (row,) = games_of(DAY, [game(GAME_ID="", SEASON_TYPE=stated)], "test").outcome.rows
    assert row[3] == "cup"


def test_an_id_of_another_season_is_not_the_league_s() -> None:
    (row,) = games_of(DAY, [game(GAME_ID="15907925")], "test").outcome.rows
    assert (row[0], row[2], row[3]) == ("2024-01-15-SAS-ATL", "2023-24", "regular")


def test_a_game_of_early_october_without_an_id_is_a_preseason_game() -> None:
    (row,) = games_of(AUTUMN, [bdl(AUTUMN, "PHX", "ATL")], "test").outcome.rows
    assert row[3] == "preseason"
