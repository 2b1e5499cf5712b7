"""A date whose games are not all over, or lack players, says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError
from nbactl.pipeline.incomplete import games_to_come, teams_without_players
from tests.kit.pipeline import Pipeline, pipeline
from tests.kit.records import DAY, GAME_ID, game, log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = {"GAME_ID": "22300560", "HOMETEAMNAME": "Boston Celtics", "AWAYTEAMNAME": "Toronto Raptors"}
HAWK = log(2)
SPUR = log(3, PLAYER_NAME="Robert Sample", PLAYER_ID="1", MATCHUP="SAS @ ATL")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Pipeline]:
    yield from pipeline(tmp_path, "sample")


def run(lab: Pipeline, name: str) -> tuple[str, ...]:
    return lab.run(f"raw.{name}", DAY).incomplete


def test_a_date_with_final_games_and_players_of_both_teams_lacks_nothing(lab: Pipeline) -> None:
    lab.collect_records(DAY, [game()], [HAWK, SPUR])
    assert run(lab, "games") == run(lab, "player_boxscores") == ()


def test_a_game_that_is_not_over_is_named(lab: Pipeline) -> None:
    lab.collect_records(DAY, [game(), game(**SECOND, HOMESCORE="", AWAYSCORE="")], [HAWK, SPUR])
    assert run(lab, "games") == ("0022300560 TOR at BOS is not over",)
    assert run(lab, "player_boxscores") == ()


def test_a_final_game_without_players_of_both_teams_is_named(lab: Pipeline) -> None:
    lab.collect_records(DAY, [game(), game(**SECOND)], [HAWK])
    assert run(lab, "games") == ()
    assert run(lab, "player_boxscores") == (
        f"{GAME_ID} SAS at ATL has no player rows of SAS",
        "0022300560 TOR at BOS has no player rows of TOR and BOS",
    )


def test_scores_alone_are_complete_games(lab: Pipeline) -> None:
    lab.collect_records(DAY, [game(), game(**SECOND)], [])
    assert run(lab, "games") == ()
    with pytest.raises(DataError, match="no player is in a box score"):
        run(lab, "player_boxscores")


def test_a_date_without_games_lacks_nothing(lab: Pipeline) -> None:
    lab.collect_records(DAY, [], [])
    assert run(lab, "games") == run(lab, "player_boxscores") == ()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("final", []),
        ("postponed", []),
        ("cancelled", []),
        ("forfeited", []),
        ("scheduled", ["0022300559 SAS at ATL is not over"]),
        ("in_progress", ["0022300559 SAS at ATL is in progress"]),
        ("suspended", ["0022300559 SAS at ATL is suspended"]),
        ("unknown", ["0022300559 SAS at ATL is in an unknown state"]),
    ],
)
def test_a_game_is_to_come_until_nothing_more_happens_on_its_date(lab: Pipeline, status: str, said: list[str]) -> None:
    lab.collect_records(DAY, [game()], [])
    lab.run("raw.games", DAY)
    (row,) = lab.warehouse.query("SELECT * FROM nba_raw.games", timeout=30.0).rows
    row = tuple(status if value == "final" else value for value in row)
    assert games_to_come(DAY, [row]) == said
    assert bool(teams_without_players([row], [])) is (status == "final")
