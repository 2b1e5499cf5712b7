"""The predictor: a player's weighted recent average, adjusted for the opponent and for rest. Pure functions.

Recent games weigh more. The average is minutes times output per minute, because minutes change quickly and output
per minute does not. The interval is meant to hold eight of ten results, if the player plays.
"""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Stat = Literal["points", "rebounds", "assists"]
STATS: Final[tuple[Stat, ...]] = get_args(Stat)
SYSTEM: Final = "weighted_recent"
"""The `system_id` of the predictions that are published."""
MOST_GAMES: Final = 40
"""So many past games of a player are looked at."""


@frozen
class PastGame:
    """What a player did in a game. `minutes` may be a fraction."""

    game_date: date
    minutes: float
    points: int
    rebounds: int
    assists: int


@frozen
class PlayerInputs:
    """All that the prediction of a player's game depends on.

    `games` are the latest before `game_date`, newest first, at most MOST_GAMES. An opponent factor above 1 means that
    the opponent allows more than the league does, by statistic; one that is missing counts as 1. `rest_days` are days
    without a game, 0 for a back-to-back; None in the first game of a season.
    """

    player_lookup: str
    game_id: str
    game_date: date
    team_abbr: str
    opponent_team_abbr: str
    rest_days: int | None
    opponent_factors: Mapping[str, float]
    games: tuple[PastGame, ...]


@frozen
class Prediction:
    """What is expected of one statistic. The result lies from `low` to `high` in eight of ten games.

    `confidence` is from 0 to 1: how much the prediction rests on, not a probability.
    """

    stat: Stat
    system_id: str
    predicted_value: float
    low: float
    high: float
    confidence: float


@frozen
class _Spread:
    """How results spread around a prediction.

    The league's variance is `dispersion` for each unit of the predicted value. The interval reaches `below` and `above`
    standard deviations from it.
    """

    dispersion: float
    below: float
    above: float


# Fitted on the games from 15 November 2023 to 31 March 2024; later dates test them (docs/predictions.md).
_MINUTES_HALF_LIFE: Final = 5.0
_RATE_HALF_LIFE: Final = 15.0
"""After so many games a game weighs half as much."""
_RESTED_FOR_LONG: Final = ((10, 0.85), (5, 0.95))
"""Days without a game from which on a player gives that share of his output. A back-to-back made no difference."""
_SPREADS: Final[Mapping[Stat, _Spread]] = {
    "points": _Spread(3.14, 1.21, 1.50),
    "rebounds": _Spread(1.39, 1.17, 1.46),
    "assists": _Spread(1.23, 1.10, 1.54),
}
_PRIOR_GAMES: Final = 10.0
"""So many games the league's spread counts for beside the player's own."""
_LEAST: Final = 0.25
"""Added to a value for its spread: a player who never had an assist may have one."""
_EVIDENCE: Final = 5.0
"""With so many games the confidence is half of what it can be."""
_PARTIAL: Final = 0.8
"""By this the confidence is multiplied if data were missing."""


def predict(inputs: PlayerInputs, *, partial: bool) -> tuple[Prediction, ...]:
    """Return a prediction for each of STATS. `partial` says that something they rest on was incomplete.

    Raises DataError for a player without a game before the date: nobody can predict him, today or tomorrow.
    """
    games = [game for game in inputs.games if game.minutes > 0]
    if not games:
        raise DataError(
            f"{inputs.player_lookup} has no game before {inputs.game_date}",
            cause="A prediction rests on the games that a player has played.",
            details={"player_lookup": inputs.player_lookup},
        )
    return tuple(_predicted(stat, inputs, games, partial) for stat in STATS)


def _predicted(stat: Stat, inputs: PlayerInputs, games: Sequence[PastGame], partial: bool) -> Prediction:
    results = [float(getattr(game, stat)) for game in games]
    played = [game.minutes for game in games]
    weights = _weights(len(games), _RATE_HALF_LIFE)
    minutes = _mean(played, _weights(len(games), _MINUTES_HALF_LIFE))
    rate = _mean(results, weights) / _mean(played, weights)
    value = minutes * rate * inputs.opponent_factors.get(stat, 1.0) * _rest_factor(inputs.rest_days)
    fit = _SPREADS[stat]
    spread = _deviation(fit, value, results, weights)
    evidence = len(games) / (len(games) + _EVIDENCE)
    return Prediction(
        stat,
        SYSTEM,
        predicted_value=round(value, 2),
        low=round(max(0.0, value - fit.below * spread), 2),
        high=round(value + fit.above * spread, 2),
        confidence=round(evidence * value / (value + spread) * (_PARTIAL if partial else 1.0), 3),
    )


def _rest_factor(days: int | None) -> float:
    return next((factor for least, factor in _RESTED_FOR_LONG if days is not None and days >= least), 1.0)


def _deviation(fit: _Spread, value: float, results: Sequence[float], weights: Sequence[float]) -> float:
    """Return the standard deviation to expect: the player's own, drawn towards the league's where games are few."""
    mean = _mean(results, weights)
    own = _mean([(result - mean) ** 2 for result in results], weights)
    known = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    league = fit.dispersion * (value + _LEAST)
    return math.sqrt((known * own + _PRIOR_GAMES * league) / (known + _PRIOR_GAMES))


def _weights(count: int, half_life: float) -> list[float]:
    """Return a weight for each game, newest first; after `half_life` games it is half as much."""
    return [0.5 ** (number / half_life) for number in range(count)]


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def inputs_data(inputs: PlayerInputs) -> dict[str, Any]:
    """Return the inputs as JSON for a message; below 4 kB."""
    return {
        "player_lookup": inputs.player_lookup,
        "game_id": inputs.game_id,
        "game_date": inputs.game_date.isoformat(),
        "team_abbr": inputs.team_abbr,
        "opponent_team_abbr": inputs.opponent_team_abbr,
        "rest_days": inputs.rest_days,
        "opponent_factors": dict(inputs.opponent_factors),
        "games": [
            [game.game_date.isoformat(), game.minutes, game.points, game.rebounds, game.assists]
            for game in inputs.games
        ],
    }


def parse_inputs(data: Mapping[str, Any]) -> PlayerInputs:
    """Return the inputs in the data of a message. Raises DataError for data that `inputs_data` does not make."""
    try:
        day = date.fromisoformat(data["game_date"])
        rest = data["rest_days"]
        found = PlayerInputs(
            player_lookup=_text(data["player_lookup"]),
            game_id=_text(data["game_id"]),
            game_date=day,
            team_abbr=_text(data["team_abbr"]),
            opponent_team_abbr=_text(data["opponent_team_abbr"]),
            rest_days=None if rest is None else int(rest),
            opponent_factors={stat: _number(data["opponent_factors"].get(stat, 1.0)) for stat in STATS},
            games=tuple(_past_game(*game) for game in data["games"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            "the inputs of a prediction are damaged",
            cause=f"They are not what the coordinator sends: {type(error).__name__}: {error}",
        ) from error
    if late := [game for game in found.games if game.game_date >= day]:
        raise DataError(f"the inputs of {found.player_lookup} for {day} have a game of {late[0].game_date}")
    return found


def _past_game(day: str, minutes: float, *results: int) -> PastGame:
    points, rebounds, assists = (int(_number(result)) for result in results)
    return PastGame(date.fromisoformat(day), _number(minutes), points, rebounds, assists)


def _number(value: Any) -> float:  # noqa: ANN401 - any JSON
    number = float(value)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{value} is not a number from 0 up")
    return number


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text")
    return value
