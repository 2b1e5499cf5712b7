from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.pipeline.games import COLUMNS, games_of
from nbactl.pipeline.sources.base import RawRecord
from tests.kit.records import DAY, bdl_payload, game, log_payload

if TYPE_CHECKING:
    from nbactl.pipeline.quarantine import Normalised


def normalise(*records: RawRecord) -> Normalised:
    outcome = games_of(DAY, records, "path").outcome
    assert outcome.records == len(outcome.rows) + len(outcome.quarantined) + outcome.set_aside.total()
    return outcome


def rows(outcome: Normalised) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, values, strict=True)) for values in outcome.rows]


def bdl_game(**changes: Any) -> RawRecord:
    return RawRecord("schedule", DAY, "bdl", "bdl.json:data[0]", {"game": bdl_payload()["game"] | changes})


def log_game(**changes: Any) -> RawRecord:
    return RawRecord("schedule", DAY, "player_game_log", "logs.csv:2", log_payload(**changes))


def test_a_row_of_the_game_file_is_a_game_with_the_league_s_id() -> None:
    (made,) = rows(normalise(game()))
    assert made["game_id"] == "0022300559"
    assert (made["home_team_abbr"], made["away_team_abbr"]) == ("ATL", "SAS")
    assert (made["home_points"], made["away_points"], made["game_status"]) == (109, 99, "final")
    assert (made["season"], made["season_type"], made["source"]) == ("2023-24", "regular", "path")


def test_two_sources_of_a_game_are_one_game_that_knows_what_either_knows() -> None:
    outcome = normalise(bdl_game(), game())
    (made,) = rows(outcome)
    assert (made["game_id"], made["periods"]) == ("0022300559", 4)
    assert outcome.set_aside == {"duplicates": 1}


def test_a_game_without_an_id_is_named_by_date_and_teams() -> None:
    (made,) = rows(normalise(bdl_game()))
    assert made["game_id"] == "2024-01-15-SAS-ATL"


def test_a_game_that_only_logs_know_is_final_without_a_score() -> None:
    (made,) = rows(normalise(log_game()))
    assert (made["game_id"], made["game_status"], made["season"]) == ("0022300559", "final", "2023-24")
    assert made["home_points"] is made["away_points"] is None


def test_a_coming_game_is_scheduled() -> None:
    (made,) = rows(normalise(game(HOMESCORE="", AWAYSCORE="")))
    assert (made["game_status"], made["home_points"], made["away_points"]) == ("scheduled", None, None)
    nothing = dict.fromkeys(("home_team_score", "visitor_team_score", "period"), 0)
    (made,) = rows(normalise(bdl_game(status="2024-01-15T20:00:00Z", **nothing)))
    assert (made["game_status"], made["home_points"], made["periods"]) == ("scheduled", None, None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"HOMETEAMNAME": "Atlanta Eagles"}, "unknown_team"),
        ({"HOMETEAMNAME": ""}, "missing_value"),
        ({"HOMETEAMNAME": "San Antonio Spurs"}, "impossible_value"),
        ({"HOMESCORE": "-109"}, "negative_value"),
        ({"HOMESCORE": "many"}, "bad_value"),
        ({"HOMESCORE": "99"}, "impossible_value"),
        ({"GAME_DATE": "2024-01-14"}, "wrong_date"),
        ({"GAME_DATE": "yesterday"}, "wrong_date"),
    ],
)
def test_an_unfit_game_goes_to_quarantine_with_its_reason(changes: dict[str, Any], expected: str) -> None:
    outcome = normalise(game(**changes))
    assert [bad.reason for bad in outcome.quarantined] == [expected]
    assert not outcome.rows


def test_of_two_scores_the_game_file_s_stands_and_the_other_is_quarantined() -> None:
    outcome = normalise(bdl_game(home_team_score=110), game())
    (made,) = rows(outcome)
    assert made["home_points"] == 109
    assert [(bad.reason, bad.record.shape) for bad in outcome.quarantined] == [("conflict", "bdl")]


def test_one_id_is_one_game() -> None:
    outcome = normalise(game(), game(3, HOMETEAMNAME="Boston Celtics", AWAYTEAMNAME="New York Knicks"))
    assert len(outcome.rows) == 1
    assert [bad.reason for bad in outcome.quarantined] == ["conflict"]


def test_one_game_has_one_id() -> None:
    outcome = normalise(game(), game(3, GAME_ID="22300777"))
    assert len(outcome.rows) == 1
    assert [bad.record.origin for bad in outcome.quarantined] == ["games.csv:3"]
