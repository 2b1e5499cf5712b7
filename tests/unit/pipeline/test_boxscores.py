from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.pipeline.boxscores import COLUMNS, boxscores_of
from nbactl.pipeline.games import games_of
from nbactl.pipeline.lookup import Lookups
from tests.kit.records import DAY, bdl, game, log, nbac

if TYPE_CHECKING:
    from nbactl.pipeline.quarantine import Normalised
    from nbactl.pipeline.sources.base import RawRecord


def normalise(*records: RawRecord, schedule: tuple[RawRecord, ...] = (game(),)) -> Normalised:
    games = games_of(DAY, schedule, "path").games
    outcome = boxscores_of(DAY, records, games, Lookups())
    assert outcome.records == len(outcome.rows) + len(outcome.quarantined) + outcome.set_aside.total()
    return outcome


def row(outcome: Normalised) -> dict[str, Any]:
    (values,) = outcome.rows
    return dict(zip(COLUMNS, values, strict=True))


def reason(outcome: Normalised) -> str:
    (bad,) = outcome.quarantined
    assert not outcome.rows
    return bad.reason


def test_a_good_row_becomes_a_row() -> None:
    made = row(normalise(log()))
    assert made["player_lookup"] == "traeyoung"
    assert (made["team_abbr"], made["opponent_team_abbr"], made["home_game"]) == ("ATL", "SAS", True)
    assert (made["points"], made["three_made"], made["minutes"], made["plus_minus"]) == (36, 4, 35.0, 11)
    assert (made["game_id"], made["source"], made["source_player_id"]) == (
        "0022300559",
        "player_game_log",
        "nba:1629027",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"PLAYER_NAME": ""}, "missing_name"),
        ({"PLAYER_NAME": None}, "missing_name"),
        ({"MIN": ""}, "missing_minutes"),
        ({"MIN": None}, "missing_minutes"),
        ({"MIN": "abc"}, "bad_minutes"),
        ({"MIN": "34:99"}, "bad_minutes"),
        ({"MIN": -5}, "negative_value"),
        ({"MIN": "79"}, "impossible_value"),
        ({"PTS": "-3"}, "negative_value"),
        ({"OREB": "-1", "DREB": "4"}, "negative_value"),
        ({"PTS": ""}, "missing_value"),
        ({"AST": "six"}, "bad_value"),
        ({"PTS": "37"}, "impossible_value"),
        ({"FGM": "28", "PTS": "68"}, "impossible_value"),
        ({"FG3M": "11", "PTS": "43"}, "impossible_value"),
        ({"FTM": "10", "PTS": "38"}, "impossible_value"),
        ({"FG3M": "13", "FG3A": "14", "PTS": "45"}, "impossible_value"),
        ({"FG3A": "28"}, "impossible_value"),
        ({"REB": "9"}, "impossible_value"),
        ({"MATCHUP": "ATX vs. SAS"}, "unknown_team"),
        ({"MATCHUP": "ATL-SAS"}, "bad_value"),
        ({"MATCHUP": "BOS vs. NYK"}, "team_not_in_game"),
        ({"MATCHUP": "BOS vs. NYK", "GAME_ID": ""}, "no_such_game"),
        ({"MATCHUP": "ATL @ SAS", "GAME_ID": ""}, "no_such_game"),
        ({"TEAM_ABBREVIATION": "BOS"}, "team_not_in_game"),
        ({"GAME_ID": "0022300999"}, "wrong_game"),
        ({"GAME_DATE": "2024-01-16"}, "wrong_date"),
        ({"GAME_DATE": "soon"}, "wrong_date"),
    ],
)
def test_an_unfit_row_goes_to_quarantine_with_its_reason_and_origin(changes: dict[str, Any], expected: str) -> None:
    outcome = normalise(log(7, **changes))
    assert reason(outcome) == expected
    kept = dict(zip(("game_date", "reason", "message", "origin"), outcome.quarantined[0].row(), strict=False))
    assert kept["origin"] == "logs.csv:7"
    assert kept["game_date"] == DAY
    assert kept["message"]


@pytest.mark.parametrize("minutes", ["34:12", "PT34M12.00S", 34.2])
def test_minutes_with_seconds_are_kept_exactly(minutes: object) -> None:
    assert row(normalise(log(MIN=minutes)))["minutes"] == pytest.approx(34.2)


NOTHING = dict.fromkeys(("fgm", "fga", "fg3m", "fg3a", "ftm", "fta", "oreb", "dreb", "reb", "ast"), 0) | dict.fromkeys(
    ("stl", "blk", "turnover", "pf", "pts"), 0
)


@pytest.mark.parametrize("minutes", ["00", "", None, 0])
def test_a_player_who_did_not_play_is_counted_and_is_no_row(minutes: object) -> None:
    outcome = normalise(bdl(**NOTHING, min=minutes))
    assert not outcome.rows
    assert outcome.set_aside == {"dnp": 1}


def test_a_short_stint_in_a_log_is_a_row_even_with_nothing_done() -> None:
    nothing = dict.fromkeys(("FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA", "OREB", "DREB", "REB", "AST"), "0")
    nothing |= dict.fromkeys(("STL", "BLK", "TOV", "PF", "PTS", "PLUS_MINUS", "MIN"), "0")
    assert row(normalise(log(**nothing)))["minutes"] == 0.0


def test_a_row_twice_is_one_row_and_counted() -> None:
    outcome = normalise(log(2), log(3))
    assert len(outcome.rows) == 1
    assert outcome.set_aside == {"duplicates": 1}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_rows_that_differ_the_one_with_more_minutes_stays_and_the_other_is_kept_aside(order: int) -> None:
    early = log(2, MIN="20", FTM="7", PTS="35")
    outcome = normalise(*[early, log(3)][::order])
    assert row(outcome)["points"] == 36
    (bad,) = outcome.quarantined
    assert (bad.reason, bad.record.origin) == ("second_row", "logs.csv:2")
    assert "logs.csv:3" in bad.message


def test_a_box_score_comes_before_a_log_and_is_not_counted_twice() -> None:
    outcome = normalise(log(AST="5"), bdl())
    assert row(outcome)["source"] == "bdl"
    assert row(outcome)["assists"] == 6
    assert outcome.set_aside == {"superseded": 1}


def test_the_league_s_box_score_comes_before_balldontlie_s() -> None:
    outcome = normalise(bdl(), nbac())
    assert row(outcome)["source"] == "nbac"


def test_a_log_fills_in_for_a_player_whom_a_partial_box_score_lacks() -> None:
    outcome = normalise(bdl(), log(PLAYER_NAME="Clint Capela", PLAYER_ID="203991"))
    assert len(outcome.rows) == 2


def test_a_log_of_a_player_whom_a_whole_box_score_lacks_is_quarantined() -> None:
    team = [
        bdl(seat, min="48", player={"id": seat, "first_name": "Player", "last_name": name})
        for seat, name in enumerate(("Ant", "Bee", "Cat", "Dog", "Elk"))
    ]
    outcome = normalise(*team, log())
    assert len(outcome.rows) == 5
    assert [bad.reason for bad in outcome.quarantined] == ["not_in_box_score"]


def test_a_player_has_one_game_a_day() -> None:
    other = game(3, GAME_ID="22300560", HOMETEAMNAME="Memphis Grizzlies", AWAYTEAMNAME="Golden State Warriors")
    outcome = normalise(log(2), log(3, MATCHUP="MEM vs. GSW", GAME_ID="0022300560"), schedule=(game(), other))
    assert len(outcome.rows) == 1
    assert [bad.reason for bad in outcome.quarantined] == ["second_row"]


def test_minutes_are_bounded_by_the_length_of_the_game_where_it_is_known() -> None:
    with_periods = bdl().payload
    schedule = (type(game())("schedule", DAY, "bdl", "bdl.json:data[0]", {"game": with_periods["game"]}),)
    assert reason(normalise(bdl(min="49"), schedule=schedule)) == "impossible_value"
    assert row(normalise(bdl(min="48"), schedule=schedule))["minutes"] == 48.0


@pytest.mark.parametrize("record", [bdl(player=None), bdl(player={"id": 1})])
def test_a_box_score_row_without_a_name_is_quarantined(record: RawRecord) -> None:
    assert reason(normalise(record)) == "missing_name"
