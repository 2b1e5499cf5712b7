"""The predictor by hand, and what it promises of any inputs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.errors import DataError
from nbactl.pipeline.predict.model import (
    MOST_GAMES,
    STATS,
    PastGame,
    PlayerInputs,
    Prediction,
    inputs_data,
    parse_inputs,
    predict,
)

TODAY = date(2025, 1, 15)


def past(*lines: tuple[float, int, int, int]) -> tuple[PastGame, ...]:
    """Return games of two days ago, four days ago, … with these minutes, points, rebounds and assists."""
    return tuple(PastGame(TODAY - timedelta(days=2 * n), *line) for n, line in enumerate(lines, 1))


def inputs(games: tuple[PastGame, ...], rest_days: int | None = 1, **factors: float) -> PlayerInputs:
    return PlayerInputs("lebronjames", "0022400551", TODAY, "LAL", "MIA", rest_days, factors, games)


def predicted(known: PlayerInputs, *, partial: bool = False) -> dict[str, Prediction]:
    return {prediction.stat: prediction for prediction in predict(known, partial=partial)}


USUAL = inputs(past(*[(30.0, 20, 6, 4)] * 30))


def test_who_does_the_same_every_time_is_expected_to_do_it_again() -> None:
    found = predicted(USUAL)
    assert {stat: one.predicted_value for stat, one in found.items()} == {"points": 20, "rebounds": 6, "assists": 4}
    assert {one.system_id for one in found.values()} == {"weighted_recent"}
    assert [one.stat for one in predict(USUAL, partial=False)] == list(STATS)


def test_recent_games_weigh_more() -> None:
    better = inputs(past(*[(30.0, 30, 6, 4)] * 5, *[(30.0, 10, 6, 4)] * 5))
    worse = inputs(past(*[(30.0, 10, 6, 4)] * 5, *[(30.0, 30, 6, 4)] * 5))
    assert predicted(better)["points"].predicted_value > 20 > predicted(worse)["points"].predicted_value


def test_minutes_that_fell_lower_every_statistic() -> None:
    benched = predicted(inputs(past(*[(15.0, 10, 3, 2)] * 5, *[(30.0, 20, 6, 4)] * 25)))
    for stat, one in predicted(USUAL).items():
        assert benched[stat].predicted_value < 0.85 * one.predicted_value, stat


def test_an_opponent_that_allows_more_raises_its_statistic_alone() -> None:
    soft = predicted(inputs(USUAL.games, points=1.1))
    assert soft["points"].predicted_value == pytest.approx(22.0)
    assert soft["assists"] == predicted(USUAL)["assists"]


def test_only_a_long_rest_counts() -> None:
    values = [predicted(inputs(USUAL.games, rest))["points"].predicted_value for rest in (None, 0, 1, 4, 5, 9, 10, 200)]
    assert values == [20, 20, 20, 20, 19, 19, 17, 17]


def test_partial_data_lower_the_confidence_and_nothing_else() -> None:
    whole, part = predicted(USUAL), predicted(USUAL, partial=True)
    for stat in STATS:
        assert part[stat].confidence < whole[stat].confidence
        assert replace(part[stat], confidence=0) == replace(whole[stat], confidence=0)


def test_fewer_games_are_less_to_rest_on() -> None:
    confidences = [predicted(inputs(USUAL.games[:count]))["points"].confidence for count in (1, 5, 30)]
    assert confidences == sorted(set(confidences))


def test_few_games_have_the_spread_of_the_league() -> None:
    one, many = predicted(inputs(USUAL.games[:1]))["points"], predicted(USUAL)["points"]
    assert one.high - one.low > many.high - many.low > 0


@pytest.mark.parametrize("games", [(), past((0.0, 0, 0, 0))])
def test_a_player_without_history_is_refused_for_good(games: tuple[PastGame, ...]) -> None:
    with pytest.raises(DataError, match="lebronjames has no game before 2025-01-15") as refused:
        predict(inputs(games), partial=False)
    assert not refused.value.retryable


LINES = st.tuples(
    st.floats(1 / 60, 60.0, allow_subnormal=False), st.integers(0, 100), st.integers(0, 40), st.integers(0, 40)
)
HISTORY = st.lists(LINES, min_size=1, max_size=MOST_GAMES).map(lambda lines: past(*lines))
FACTORS = st.fixed_dictionaries(dict.fromkeys(STATS, st.floats(0.5, 2.0)))
RESTS = st.none() | st.integers(0, 365)


@given(HISTORY, FACTORS, RESTS, st.booleans())
def test_every_prediction_is_finite_and_inside_its_interval(
    games: tuple[PastGame, ...], factors: dict[str, float], rest: int | None, partial: bool
) -> None:
    for one in predict(inputs(games, rest, **factors), partial=partial):
        assert 0 <= one.low <= one.predicted_value <= one.high < 10**6
        assert 0 <= one.confidence < 1


@given(HISTORY, st.integers(2, 5))
def test_who_does_more_is_expected_to_do_more(games: tuple[PastGame, ...], times: int) -> None:
    more = tuple(replace(game, **{stat: times * getattr(game, stat) for stat in STATS}) for game in games)
    plain = predicted(inputs(games))
    for stat, one in predicted(inputs(more)).items():
        assert one.predicted_value == pytest.approx(times * plain[stat].predicted_value, abs=0.005 * (times + 1))
        assert one.high >= plain[stat].high
        assert one.confidence >= plain[stat].confidence


@given(HISTORY, FACTORS, RESTS)
def test_inputs_go_through_a_message_and_fit_into_it(
    games: tuple[PastGame, ...], factors: dict[str, float], rest: int | None
) -> None:
    known = inputs(games, rest, **factors)
    text = json.dumps(inputs_data(known))
    assert parse_inputs(json.loads(text)) == known
    assert len(text) < 4_096


@pytest.mark.parametrize(
    "damage",
    [
        {"game_date": "2025-13-01"},
        {"game_date": 20250115},
        {"player_lookup": ""},
        {"player_lookup": None},
        {"rest_days": "two"},
        {"opponent_factors": None},
        {"opponent_factors": {"points": -1}},
        {"opponent_factors": {"points": float("nan")}},
        {"games": None},
        {"games": [["2025-01-13", 30.0, 20, 6]]},
        {"games": [["2025-01-13", float("inf"), 20, 6, 4]]},
        {"games": [["2025-01-13", 30.0, 20, -6, 4]]},
        {"games": [["2025-01-15", 30.0, 20, 6, 4]]},
        {"games": [["2025-01-16", 30.0, 20, 6, 4]]},
    ],
    ids=str,
)
def test_damaged_inputs_are_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        parse_inputs({**inputs_data(USUAL), **damage})


@pytest.mark.parametrize("field", list(inputs_data(USUAL)))
def test_inputs_that_lack_something_are_refused(field: str) -> None:
    data = inputs_data(USUAL)
    del data[field]
    with pytest.raises(DataError, match="inputs of a prediction are damaged"):
        parse_inputs(data)
