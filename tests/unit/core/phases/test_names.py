from __future__ import annotations

import pytest

from nbactl.core.phases.names import normalise, snake_case
from tests.kit.production import PHASE2, PHASE3, PHASE4


@pytest.mark.parametrize(
    ("reported", "meant"),
    [
        ("player_game_summary", "player_game_summary"),
        ("PlayerGameSummaryProcessor", "player_game_summary"),
        ("AsyncPlayerGameSummaryProcessor", "player_game_summary"),
        ("AsyncUpcomingPlayerGameContextProcessor", "upcoming_player_game_context"),
        ("p3_player_game_summary", "player_game_summary"),
        ("p3_PlayerGameSummaryProcessor", "player_game_summary"),
    ],
)
def test_three_spellings_of_a_processor_are_one_name(reported: str, meant: str) -> None:
    assert normalise(reported, PHASE3) == normalise(reported, PHASE3, phase="phase3") == meant


@pytest.mark.parametrize(
    ("reported", "meant"),
    [("odds_game_lines", "p2_odds_game_lines"), ("OddsGameLinesProcessor", "p2_odds_game_lines")],
)
def test_a_declared_prefix_may_be_left_out_by_who_reports(reported: str, meant: str) -> None:
    assert normalise(reported, PHASE2) == normalise(reported, PHASE2, phase="phase2") == meant


@pytest.mark.parametrize("reported", ["ml_feature_store_v2", "MLFeatureStoreProcessor", "MLFeatureStoreV2Processor"])
def test_the_second_feature_store_is_the_feature_store(reported: str) -> None:
    assert normalise(reported, PHASE4, phase="phase4") == "ml_feature_store"


def test_the_output_table_names_a_processor_whose_own_name_does_not() -> None:
    assert normalise("FeatureBuilder", PHASE4, "nba_predictions.ml_feature_store_v2") == "ml_feature_store"
    assert normalise("FeatureBuilder", PHASE4, "project-1.nba_precompute.player_daily_cache") == "player_daily_cache"


def test_a_known_name_goes_before_the_table_that_was_written() -> None:
    assert normalise("player_daily_cache", PHASE4, "nba_precompute.ml_feature_store") == "player_daily_cache"


@pytest.mark.parametrize(
    "reported",
    [
        "", "Processor", "p3_", "player_game_summaries", "player_game_summary_v2", "p2_player_game_summary",
        " player_game_summary", "PLAYER_GAME_SUMMARY", None, 7, {"a": 1},
    ],
)  # fmt: skip
def test_inv_09_any_other_name_is_refused(reported: object) -> None:
    assert normalise(reported, PHASE3, phase="phase3") is None


def test_a_name_that_could_mean_two_processors_is_refused() -> None:
    assert normalise("odds", ["p1_odds", "p2_odds"]) is None
    assert normalise("odds", ["p1_odds", "p2_odds"], phase="phase2") == "p2_odds"


def test_abbreviations_of_a_class_name_are_words() -> None:
    assert snake_case("NbacomGamebookPDFProcessor") == "nbacom_gamebook_pdf"
