"""By what the rows of each table are judged: what the table has rows for, and how many there must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from nbactl.outputs.counts import Counts
    from nbactl.ports.calendar import KnownGames

Fact = str
"""The name of a number of a date, such as `games over`."""


@frozen
class Measure:
    """A count of what is there, beside what must be there."""

    unit: str
    there: Fact
    wanted: Fact


@frozen
class Yardstick:
    """How a table is judged. While `root` is not 0, no rows are a fault; the first measure is the one to show."""

    root: Fact
    measures: tuple[Measure, ...] = ()


def _players(table: str) -> Yardstick:
    context = "nba_analytics.upcoming_player_game_context"
    return Yardstick("teams that played lately", (Measure("players", table, context),))


def _teams(table: str, root: Fact, wanted: Fact) -> Yardstick:
    return Yardstick(root, (Measure("teams", table, wanted),))


_OFFENSE: Final = "nba_analytics.team_offense_game_summary"
_DEFENSE: Final = "nba_analytics.team_defense_game_summary"
_SUMMARY: Final = "nba_analytics.player_game_summary"
_CONTEXT: Final = "nba_analytics.upcoming_player_game_context"
_TEAM_CONTEXT: Final = "nba_analytics.upcoming_team_game_context"
_ZONES: Final = "nba_precompute.team_defense_zone_analysis"
_FEATURES: Final = "nba_precompute.ml_feature_store"
_PREDICTED: Final = "nba_predictions.player_prop_predictions"
SCHEDULE: Final = Yardstick("games", (Measure("games", "raw:schedule", "games"),))
BOX_SCORES: Final = Yardstick("games over")
YARDSTICKS: Final[Mapping[str, Yardstick]] = {
    "nba_raw.games": Yardstick("games", (Measure("games", "games in nba_raw", "games"),)),
    "nba_raw.player_boxscores": _teams("teams with box scores", "games over", "teams of games over"),
    _OFFENSE: _teams(_OFFENSE, "games over", "teams of games over"),
    _DEFENSE: _teams(_DEFENSE, "games over", "teams of games over"),
    _SUMMARY: Yardstick(
        "games over",
        (
            Measure("players", _SUMMARY, "box scores"),
            Measure("teams", f"teams of {_SUMMARY}", "teams of games over"),
        ),
    ),
    _TEAM_CONTEXT: _teams(_TEAM_CONTEXT, "games", "teams"),
    _CONTEXT: _teams(f"teams of {_CONTEXT}", "teams that played lately", "teams that played lately"),
    _ZONES: _teams(_ZONES, "games", "teams"),
    **{
        table: _players(table)
        for table in (
            "nba_precompute.player_shot_zone_analysis",
            "nba_precompute.player_daily_cache",
            "nba_precompute.player_composite_factors",
            _FEATURES,
        )
    },
    _PREDICTED: Yardstick(_FEATURES),
    "nba_predictions.prediction_accuracy": Yardstick("predictions of the day before"),
}


@frozen
class Facts:
    """What is known of a date. What was not found in a warehouse that was counted is 0."""

    known: Mapping[Fact, int | None]
    counted: bool

    def of(self, fact: Fact) -> int | None:
        """Return a fact, None where nobody can say."""
        return self.known.get(fact, 0 if self.counted else None)


def facts_of(day: date, before: date, counts: Counts | None, calendar: KnownGames) -> Facts:
    """Return what calendar and warehouse say of a date; `before` is the day before it.

    Of games the calendar has the last word. What would have been counted by games that the warehouse lacks is unknown.
    """
    game_day = calendar.days.get(day)
    unknown = game_day is None and day in calendar.unknown
    games = None if unknown else 0 if game_day is None else game_day.games
    over = None if unknown else 0 if game_day is None else game_day.over
    known: dict[Fact, int | None] = {"games": games, "games over": over}
    if counts is not None:
        in_raw = counts.of("games", day)
        known |= {name: number for (name, when), number in counts.found.items() if when == day}
        known["games in nba_raw"] = in_raw
        known["games"] = (in_raw or None) if games is None else games
        known["games over"] = max(counts.of("games over", day), over or 0) if in_raw or over is not None else None
        lacks_games = games is not None and in_raw < games
        for name in ("teams that played lately", "box scores"):
            known[name] = None if lacks_games and not counts.of(name, day) else counts.of(name, day)
        known["predictions of the day before"] = counts.of(_PREDICTED, before)
    for name, fact in (("teams", "games"), ("teams of games over", "games over")):
        number = known.get(fact)
        known[name] = None if number is None else 2 * number
    return Facts(known, counts is not None)
