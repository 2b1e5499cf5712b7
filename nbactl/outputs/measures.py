"""By what the rows of each table are judged: what the table has rows for, and how many there must be."""

from __future__ import annotations

from datetime import timedelta
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
SCHEDULE: Final = Yardstick("games", (Measure("games", "raw:schedule", "games of the calendar"),))
BOX_SCORES: Final = Yardstick("games over")
YARDSTICKS: Final[Mapping[str, Yardstick]] = {
    "nba_raw.games": Yardstick("games", (Measure("games", "games in nba_raw", "games of the calendar"),)),
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
    _PREDICTED: Yardstick("teams that played lately"),
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


def facts_of(day: date, counts: Counts | None, calendar: KnownGames) -> Facts:
    """Return what calendar and warehouse say of a date.

    The calendar says how many games there are, and the warehouse what became of them if it has them all. What would be
    counted by games that the warehouse lacks, nobody can say.
    """
    known: dict[Fact, int | None] = {"games": None, "games over": None}
    covered = day in calendar.days or day not in calendar.unknown
    if covered:
        game_day = calendar.days.get(day)
        known = {"games": game_day.games if game_day else 0, "games over": game_day.over if game_day else 0}
    listed = known["games"]
    if counts is not None:
        counted = counts.found.get(day, {})
        has_all = (counts.of("games in nba_raw", day) or -1) >= (listed or 0)
        known = {**counted, **({} if has_all else known)}
        if not has_all:
            known |= {name: counted.get(name) for name in ("teams that played lately", "box scores")}
        known["predictions of the day before"] = counts.of(_PREDICTED, day - timedelta(days=1))
    known["games of the calendar"] = listed
    facts = Facts(known, counts is not None)
    for name, fact in (("teams", "games"), ("teams of games over", "games over")):
        number = facts.of(fact)
        known[name] = None if number is None else 2 * number
    return facts
