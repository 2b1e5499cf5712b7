from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.kit.pipeline import Pipeline, pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BDL_DAY = date(2024, 1, 15)
NBAC_DAY = date(2025, 3, 15)

SIDES = """
SELECT g.game_id, b.team_abbr, SUM(b.points) AS points, SUM(b.minutes) AS minutes, COUNT(*) AS players,
  ANY_VALUE(IF(b.home_game, g.home_points, g.away_points)) AS score, ANY_VALUE(g.periods) AS periods
FROM nba_raw.player_boxscores AS b JOIN nba_raw.games AS g ON g.game_id = b.game_id AND g.game_date = @day
WHERE b.game_date = @day GROUP BY g.game_id, b.team_abbr
"""


@pytest.fixture(scope="module")
def real(nba_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    for opened in pipeline(tmp_path_factory.mktemp("real"), f"path:{nba_data}"):
        for day in (BDL_DAY, NBAC_DAY):
            opened.collect(day)
        yield opened


def test_a_date_with_full_box_scores_has_their_players_and_no_other(real: Pipeline) -> None:
    games = real.run("raw.games", BDL_DAY)
    outcome = real.run("raw.player_boxscores", BDL_DAY)
    sides = real.rows(SIDES, day=BDL_DAY)
    assert games.rows == 11
    assert outcome.rows == 229
    assert outcome.detail["dnp"] == 384 - 229
    assert outcome.detail["superseded"] == 78
    assert outcome.detail["quarantined"] == 0
    assert len(sides) == 22
    assert all(side["points"] == side["score"] for side in sides)
    assert all(side["minutes"] == 240 + 25 * (side["periods"] - 4) for side in sides)
    assert all(side["game_id"].startswith("00223") for side in sides)


def test_a_game_log_of_the_league_is_a_whole_box_score(real: Pipeline) -> None:
    real.run("raw.games", NBAC_DAY)
    outcome = real.run("raw.player_boxscores", NBAC_DAY)
    sides = real.rows(SIDES, day=NBAC_DAY)
    assert outcome.rows == 157
    assert outcome.detail["superseded"] == outcome.detail["records"] - 157
    assert len(sides) == 16
    assert all(side["points"] == side["score"] for side in sides)


def test_the_past_comes_along_and_loses_nothing(real: Pipeline) -> None:
    real.run("raw.player_boxscores", NBAC_DAY)
    (found,) = real.rows(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT player_lookup) AS lookups FROM nba_raw.player_boxscores "
        "WHERE game_date BETWEEN '2023-10-24' AND '2025-03-15' AND source = 'player_game_log'"
    )
    logs = sum(
        1
        for record in real.source.collect("player_boxscores", real.source.game_dates(date.min, NBAC_DAY))
        if record.shape == "player_game_log"
    )
    assert found["n"] == logs - 78 - 57


def test_two_sources_of_a_player_are_one_lookup(real: Pipeline) -> None:
    real.run("raw.player_boxscores", NBAC_DAY)
    found = real.rows(
        "SELECT player_lookup, COUNT(DISTINCT player_name) AS names, COUNT(DISTINCT source_player_id) AS ids "
        "FROM nba_raw.player_boxscores WHERE game_date BETWEEN '2023-10-24' AND '2025-03-15' "
        "AND player_lookup IN ('dennisschroder', 'bogdanbogdanovic', 'ajlawson') GROUP BY player_lookup"
    )
    assert {row["player_lookup"]: (row["names"], row["ids"]) for row in found} == {
        "dennisschroder": (2, 2),
        "bogdanbogdanovic": (2, 2),
        "ajlawson": (2, 2),
    }


def test_a_game_that_no_game_file_lists_is_inferred_without_a_score(real: Pipeline, nba_data: Path) -> None:
    assert nba_data
    real.run("raw.games", NBAC_DAY)
    inferred = real.rows(
        "SELECT game_id, game_status, season_type FROM nba_raw.games "
        "WHERE game_date BETWEEN '2023-10-24' AND '2025-03-15' AND home_points IS NULL"
    )
    assert inferred
    assert all(row["game_id"].startswith("00224") and row["game_status"] == "final" for row in inferred)


def test_a_date_without_games_says_so(real: Pipeline) -> None:
    day = date(2024, 7, 4)
    real.collect(day)
    outcome = real.run("raw.player_boxscores", day)
    assert outcome.rows == 0
    assert outcome.detail["reason"] == "no games on 2024-07-04"


def test_the_newest_date_is_the_newest_one_with_players(real: Pipeline) -> None:
    assert real.source.latest() == date(2025, 4, 13)


def test_files_that_are_no_data_are_named_and_passed_over(real: Pipeline) -> None:
    assert list(real.source.notes) == ["README.md: no known shape, passed over"]
