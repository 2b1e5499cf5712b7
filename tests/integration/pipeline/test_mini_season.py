"""The analytics of a season that is worked out by hand (tests/kit/mini_season.py has the box scores)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import PreconditionError
from nbactl.pipeline.statements import windows
from tests.kit.mini_season import COMING, GAMES, LAST_SEASON, OPENING, OVERTIME, PRESEASON, SECOND, TRADE, Game, put
from tests.kit.warehouse import PHASE3, TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

OFFENSE, DEFENSE, SUMMARY, PLAYERS, TEAMS = PHASE3
OFF_DAY = SECOND.replace(day=3)
TEAM_ZONES, PLAYER_ZONES, CACHE, FACTORS, FEATURES = TABLES[5:]


class Season(Lab):
    """The season, of which a table of a date is computed when a test asks for it, after what it reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._computed: set[tuple[str, date]] = set()
        put(self, GAMES)

    def partition(self, table: str, day: date) -> list[dict[str, Any]]:
        self._need(table, day)
        return super().partition(table, day)

    def _need(self, table: str, day: date) -> None:
        if table in TABLES and (table, day) not in self._computed:
            self._computed.add((table, day))
            for read in windows(table):
                self._need(read, day)
            self.compute(day, (table,))


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Season(tmp_path_factory.mktemp("mini"))
    yield lab
    lab.warehouse.close()


def test_team_totals_possessions_and_ratings(season: Lab) -> None:
    # ant1 shot 12 of 20, 4 of 8, 4 of 5 and lost 4 balls, four others played the usual game:
    # FGA 20 + 64 = 84, FTA 5 + 8 = 13, ORB 5, TOV 4 + 8 = 12: 84 - 5 + 12 + 5.72 = 96.72 possessions against 89.4
    row = season.row(OFFENSE, OPENING, team_abbr="ANT")
    assert (row["points"], row["player_points"], row["player_rows"]) == (112, 112, 5)
    assert (row["fg_attempted"], row["ft_attempted"], row["offensive_rebounds"], row["turnovers"]) == (84, 13, 5, 12)
    assert row["possessions"] == pytest.approx(93.06)
    assert row["pace"] == pytest.approx(93.06)
    assert row["offensive_rating"] == pytest.approx(100 * 112 / 93.06)
    assert row["ts_pct"] == pytest.approx(112 / (2 * (84 + 5.72)))
    assert row["efg_pct"] == pytest.approx((44 + 6) / 84)
    assert row["turnover_pct"] == pytest.approx(12 / (84 + 5.72 + 12))
    assert row["offensive_rebound_pct"] == pytest.approx(5 / 30)
    assert row["ft_rate"] == pytest.approx(12 / 84)
    assert row["won"] is True


def test_defence_is_the_opponents_offence(season: Lab) -> None:
    row = season.row(DEFENSE, OPENING, team_abbr="BEE")
    assert (row["points"], row["points_allowed"], row["turnovers_forced"]) == (100, 112, 12)
    assert row["defensive_rating"] == pytest.approx(100 * 112 / 93.06)
    assert row["efg_pct_allowed"] == pytest.approx(50 / 84)
    assert row["defensive_rebound_pct"] == pytest.approx(25 / 30)


def test_a_players_efficiency(season: Lab) -> None:
    row = season.row(SUMMARY, OPENING, player_lookup="ant1")
    assert row["ts_pct"] == pytest.approx(32 / (2 * 22.2))
    assert row["efg_pct"] == pytest.approx(14 / 20)
    # 20 + 2.2 + 4 of the team's 101.72 plays, on the floor all the time
    assert row["usage_rate"] == pytest.approx(100 * 26.2 / 101.72)


def test_the_usage_of_a_team_averages_a_fifth(season: Lab) -> None:
    rows = [row for row in season.partition(SUMMARY, OPENING) if row["team_abbr"] == "ANT"]
    assert sum(row["usage_rate"] for row in rows) == pytest.approx(100)


def test_without_attempts_percentages_are_null(season: Lab) -> None:
    row = season.row(SUMMARY, OPENING, player_lookup="cat1")
    assert (row["points"], row["ts_pct"], row["efg_pct"], row["usage_rate"]) == (0, None, None, 0)


def test_with_players_missing_only_the_score_is_a_team_total(season: Lab) -> None:
    # three of five players: 144 of 240 minutes, 60 of 95 points
    cat, bee = (season.row(OFFENSE, SECOND, team_abbr=team) for team in ("CAT", "BEE"))
    assert (cat["points"], cat["player_points"], cat["box_complete"]) == (95, 60, False)
    assert cat["minutes_coverage"] == pytest.approx(0.6)
    totals = ("fg_attempted", "rebounds", "turnovers", "possessions", "pace", "offensive_rating", "ts_pct", "efg_pct")
    assert [cat[column] for column in totals] == [None] * len(totals)
    # the other team is complete, but possessions take both
    assert (bee["box_complete"], bee["fg_attempted"], bee["possessions"]) == (True, 80, None)
    assert season.row(SUMMARY, SECOND, player_lookup="cat1")["usage_rate"] is None
    assert season.row(SUMMARY, SECOND, player_lookup="bee1")["usage_rate"] == pytest.approx(20)
    allowed = season.row(DEFENSE, SECOND, team_abbr="BEE")
    assert (allowed["points_allowed"], allowed["fg_attempted_allowed"]) == (95, None)


def test_an_overtime_is_inferred_from_the_minutes(season: Lab) -> None:
    row = season.row(OFFENSE, OVERTIME, team_abbr="CAT")
    assert (row["periods"], row["minutes_coverage"], row["box_complete"]) == (5, 1.0, True)
    # CAT took 81 shots: (90.4 + 89.4) / 2 possessions in 53 minutes
    assert row["possessions"] == pytest.approx(89.9)
    assert row["pace"] == pytest.approx(89.9 * 48 / 53)
    assert {row["periods"] for row in season.partition(OFFENSE, OVERTIME) if row["team_abbr"] in ("DOG", "BEE")} == {4}


def test_a_season_starts_without_a_past(season: Lab) -> None:
    # ant1 played in April and in the preseason; neither is this season's history
    row = season.row(SUMMARY, OPENING, player_lookup="ant1")
    assert (row["season"], row["games_played_before"]) == ("2023-24", 0)
    assert (row["points_avg_last_5"], row["points_avg_season"], row["rest_days"], row["back_to_back"]) == (None,) * 4


def test_form_is_of_earlier_games_only(season: Lab) -> None:
    row = season.row(SUMMARY, OVERTIME, player_lookup="ant1")
    assert (row["points"], row["games_played_before"]) == (20, 1)
    assert (row["points_avg_last_5"], row["points_avg_last_10"], row["points_avg_season"]) == (32, 32, 32)
    assert (row["rest_days"], row["back_to_back"]) == (3, False)
    assert season.row(SUMMARY, SECOND, player_lookup="bee1")["back_to_back"] is True


def test_a_preseason_game_has_a_summary_and_no_history(season: Lab) -> None:
    row = season.row(SUMMARY, PRESEASON, player_lookup="ant1")
    assert (row["points"], row["usage_rate"] is None, row["games_played_before"]) == (32, False, 0)


def test_the_form_of_a_player_follows_him_through_a_trade(season: Lab) -> None:
    # ant5 played for ANT on 1 and 5 November, for DOG on 7 November
    row = season.row(PLAYERS, COMING, player_lookup="ant5")
    assert (row["team_abbr"], row["opponent_team_abbr"], row["home_game"]) == ("DOG", "ANT", True)
    assert (row["games_played"], row["rest_days"], row["back_to_back"]) == (3, 0, True)
    assert row["points_avg_season"] == 20
    assert row["minutes_avg_season"] == pytest.approx((48 + 53 + 48) / 3)


def test_expected_are_those_who_lately_played_for_the_team(season: Lab) -> None:
    expected: dict[str, set[str]] = {}
    for row in season.partition(PLAYERS, COMING):
        expected.setdefault(row["team_abbr"], set()).add(row["player_lookup"])
    five = range(1, 6)
    assert expected == {
        "ANT": {f"ant{n}" for n in range(1, 5)},
        "DOG": {f"dog{n}" for n in five} | {"ant5"},
        "BEE": {f"bee{n}" for n in five},
        "CAT": {f"cat{n}" for n in five},
    }


def test_an_opening_night_expects_last_seasons_players_without_numbers(season: Lab) -> None:
    row = season.row(PLAYERS, OPENING, player_lookup="ant1")
    assert (row["games_played"], row["games_last_7_days"], row["points_avg_season"], row["rest_days"]) == (
        0,
        0,
        None,
        None,
    )
    features = season.row(FEATURES, OPENING, player_lookup="ant1")
    # the two games of April and of the preseason: only the former was against BEE
    assert (features["games_versus_opponent"], features["points_avg_versus_opponent"]) == (1, 32)
    assert (features["opponent_strength_factor"], features["composite_factor"]) == (None, 1)


def test_a_players_context(season: Lab) -> None:
    row = season.row(PLAYERS, COMING, player_lookup="ant1")
    assert (row["games_played"], row["points_avg_last_5"], row["points_avg_season"]) == (2, 26, 26)
    # 1 November is the seventh day before
    assert (row["rest_days"], row["games_last_7_days"], row["minutes_last_7_days"]) == (2, 2, 101)
    assert row["ts_pct_season"] == pytest.approx(52 / (2 * (36 + 0.44 * 7)))
    assert row["opponent_points_allowed_avg_season"] == pytest.approx((80 + 100 + 100) / 3)


def test_a_teams_context(season: Lab) -> None:
    row = season.row(TEAMS, COMING, team_abbr="DOG")
    assert (row["games_played"], row["wins"], row["losses"], row["win_pct_last_10"]) == (3, 3, 0, 1)
    assert (row["rest_days"], row["back_to_back"], row["opponent_rest_days"]) == (0, True, 2)
    assert row["points_avg_season"] == pytest.approx((100 + 102 + 102) / 3)
    # possessions (71.52 + 89.4) / 2 against CAT without cat1's shots, then 89.9 twice; all in 48 minutes
    assert (row["complete_games"], row["pace_season"]) == (3, pytest.approx((80.46 + 89.9 + 89.9) / 3, abs=1e-6))
    assert row["defensive_rating_season"] == pytest.approx(100 * 280 / 260.26, abs=1e-6)
    # all scores: 112 100 80 100 100 95 100 102 102 100 102 100
    assert row["league_points_avg_season"] == pytest.approx(1193 / 12, abs=1e-6)


def test_zones_of_a_defence(season: Lab) -> None:
    # DOG allowed CAT 4 usual lines, BEE 5, CAT 5: 14 of 6 threes in 16 shots
    row = season.row(TEAM_ZONES, COMING, team_abbr="DOG")
    assert (row["games"], row["fg_attempted_faced"], row["complete_games"]) == (3, 224, 3)
    assert row["three_attempt_share_allowed"] == pytest.approx(6 / 16)
    assert (row["two_pct_allowed"], row["three_pct_allowed"]) == (pytest.approx(6 / 10), pytest.approx(2 / 6))
    assert row["three_attempts_allowed_per_game"] == pytest.approx((24 + 30 + 30) / 3)
    # BEE faced three of CAT's five on 2 November: their shots count, but not as the team's attempts a game
    bee = season.row(TEAM_ZONES, COMING, team_abbr="BEE")
    assert (bee["games"], bee["fg_attempted_faced"], bee["complete_games"]) == (3, 84 + 48 + 81, 2)


def test_zones_of_a_player(season: Lab) -> None:
    # 12 of 20 and 8 of 16; threes 4 of 8 and 2 of 6; free throws 4 of 5 and 2 of 2; 52 points
    row = season.row(PLAYER_ZONES, COMING, player_lookup="ant1")
    assert row["three_attempt_share"] == pytest.approx(14 / 36)
    assert (row["two_pct"], row["three_pct"]) == (pytest.approx(14 / 22), pytest.approx(6 / 14))
    assert row["ft_pct"] == pytest.approx(6 / 7)
    shares = (row["two_points_share"], row["three_points_share"], row["ft_points_share"])
    assert shares == (pytest.approx(28 / 52), pytest.approx(18 / 52), pytest.approx(6 / 52))


def test_a_players_cache(season: Lab) -> None:
    row = season.row(CACHE, COMING, player_lookup="ant1")
    assert row["points_avg_weighted"] == pytest.approx((20 + 0.85 * 32) / 1.85, abs=1e-6)
    assert row["points_stddev_last_10"] == pytest.approx(72**0.5, abs=1e-6)
    assert (row["points_last_game"], row["points_avg_home"], row["points_avg_away"]) == (20, 26, None)
    plays = (20 + 2.2 + 4) + (16 + 0.88 + 2)
    assert row["plays_per_36_season"] == pytest.approx(36 * plays / 101)
    assert season.row(CACHE, COMING, player_lookup="bee1")["back_to_backs_last_14_days"] == 1


def test_equal_games_have_no_spread(season: Lab) -> None:
    row = season.row(CACHE, COMING, player_lookup="bee1")
    assert row["games_played"] == 3
    assert [row[f"{stat}_stddev_last_10"] for stat in ("points", "rebounds", "minutes", "blocks")] == [0] * 4
    assert (row["points_avg_weighted"], row["minutes_avg_weighted"]) == (20, 48)


def test_factors(season: Lab) -> None:
    row = season.row(FACTORS, COMING, player_lookup="ant1")
    fatigue = 0.3 * 101 / 160 + 0.3 * 2 / 8
    league = 1193 / 12
    opponent = (280 + 10 * league) / (13 * league)
    league_pace = 240 * (93.06 + 80.46 + 3 * 89.9) / (4 * 240 + 265)
    pace = (240 * (93.06 + 89.9) / 505) * ((80.46 + 89.9 + 89.9) / 3) / league_pace**2
    assert row["fatigue_score"] == pytest.approx(fatigue)
    assert row["opponent_strength_factor"] == pytest.approx(opponent, abs=1e-6)
    assert row["pace_factor"] == pytest.approx(pace, abs=1e-6)
    assert (row["usage_trend_factor"], row["factors_known"]) == (None, 3)
    assert row["composite_factor"] == pytest.approx((1 - 0.05 * fatigue) * opponent * pace, abs=1e-6)


def test_features_gather_what_is_known_of_a_player(season: Lab) -> None:
    row = season.row(FEATURES, COMING, player_lookup="ant5")
    assert (row["feature_version"], row["home_game"], row["back_to_back"], row["games_played"]) == ("v1", 1, 1, 3)
    assert (row["points_avg_season"], row["points_avg_weighted"]) == (20, 20)
    assert row["opponent_three_attempt_share_allowed_vs_league"] is not None


def test_one_row_for_each_key(season: Lab) -> None:
    for table, day in [(table, day) for table in TABLES for day in (OPENING, COMING)] + [(SUMMARY, TRADE)]:
        keys = [(row["game_id"], row.get("player_lookup", row["team_abbr"])) for row in season.partition(table, day)]
        assert len(keys) == len(set(keys)), (table, day)


def test_a_date_to_come_has_contexts_and_no_summaries(season: Lab) -> None:
    assert [len(season.partition(table, COMING)) for table in TABLES] == [0, 0, 0, 20, 4, 4, 20, 20, 20, 20]


@pytest.mark.parametrize("day", [OPENING, COMING])
def test_running_again_changes_no_bit(season: Lab, day: date) -> None:
    before = {table: season.digest(table, day) for table in TABLES}
    season.compute(day)
    assert {table: season.digest(table, day) for table in TABLES} == before


def test_a_day_without_games_has_no_rows(season: Lab) -> None:
    season.collect_records(OFF_DAY, [], [])
    assert set(season.compute(OFF_DAY).values()) == {0}


def test_a_player_is_expected_for_ten_games_of_his_team(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    days = [OPENING + timedelta(days=2 * n) for n in range(13)]
    games = [Game(day, "ANT", "BEE", (100, 90), missing=("ant1",) if n > 0 else ()) for n, day in enumerate(days)]
    put(lab, games)
    # before the eleventh game ant1's only one is the tenth latest, before the twelfth the eleventh
    for number, expected in ((10, True), (11, False)):
        lab.compute(days[number], (PLAYERS,))
        assert ("ant1" in {row["player_lookup"] for row in lab.partition(PLAYERS, days[number])}) is expected
    lab.warehouse.close()


def test_precomputing_before_phase_3_is_refused(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, GAMES)
    for table in TABLES[5:]:
        with pytest.raises(PreconditionError, match="upcoming_team_game_context is empty"):
            lab.compute(COMING, (table,))
    lab.warehouse.close()


def test_the_first_date_of_a_source_expects_nobody(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, GAMES)
    assert list(lab.compute(LAST_SEASON).values()) == [2, 2, 10, 0, 2, 2, 0, 0, 0, 0]
    lab.warehouse.close()


def test_a_finished_game_without_a_score_has_team_rows_without_points(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, [Game(OPENING, "ANT", "BEE", None, status="final"), Game(SECOND, "ANT", "BEE", None)])
    assert lab.compute(OPENING, (OFFENSE, DEFENSE)) == {OFFENSE: 2, DEFENSE: 2}
    row = lab.row(OFFENSE, OPENING, team_abbr="ANT")
    assert (row["points"], row["player_points"], row["minutes_coverage"]) == (None, 100, 1)
    assert (row["box_complete"], row["won"], row["fg_attempted"]) == (False, None, None)
    lab.compute(SECOND, (TEAMS,))
    context = lab.row(TEAMS, SECOND, team_abbr="ANT")
    assert (context["games_played"], context["wins"], context["losses"], context["back_to_back"]) == (1, 0, 0, True)
    assert (context["points_avg_season"], context["win_pct_last_10"]) == (None, None)
    lab.warehouse.close()


def test_a_postponed_game_was_no_game(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(
        lab,
        [Game(OPENING, "ANT", "BEE", (100, 90)), Game(SECOND, "ANT", "BEE", None), Game(OVERTIME, "ANT", "BEE", None)],
    )
    lab.compute(OVERTIME, (TEAMS,))
    row = lab.row(TEAMS, OVERTIME, team_abbr="ANT")
    assert (row["games_played"], row["last_game_date"], row["rest_days"]) == (1, OPENING, 3)
    lab.warehouse.close()
