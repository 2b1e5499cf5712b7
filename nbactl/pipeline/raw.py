"""Phase 2: validate the raw files of game dates and write them to nba_raw, the unfit records to quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError
from nbactl.pipeline import boxscores, incomplete, market
from nbactl.pipeline import games as game_rules
from nbactl.pipeline.names import PLAYERS
from nbactl.pipeline.quarantine import Normalised
from nbactl.pipeline.rawsets import Target, write_set

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from nbactl.pipeline.lookup import Lookups
    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.sources.base import Dataset
    from nbactl.ports.compute import TaskContext, TaskOutcome

    Names = Callable[[], Lookups]


def games(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
    """Write nba_raw.games."""
    kind = _kind(contexts)

    def normalise(day: date, _: Names) -> Normalised:
        return game_rules.games_of(day, resources.raw.read("schedule", day), kind).outcome

    def why_empty(day: date) -> str:
        other = game_rules.games_of(day, resources.raw.read("schedule", day), kind).outcome.set_aside
        aside = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(other.items()))
        return f"no games of the thirty teams on {day}: {aside}" if aside else f"no games on {day}"

    target = Target("nba_raw.games", game_rules.COLUMNS, ("schedule",), normalise, why_empty, incomplete.games_to_come)
    return write_set(resources, contexts, target)


def player_boxscores(
    resources: ProcessorResources, contexts: Sequence[TaskContext]
) -> Sequence[TaskOutcome | Exception]:
    """Write nba_raw.player_boxscores."""
    kind = _kind(contexts)

    def normalise(day: date, names: Names) -> Normalised:
        records = resources.raw.read("player_boxscores", day)
        return boxscores.boxscores_of(day, records, _games(resources, kind, day), names())

    def why_empty(day: date) -> str:
        schedule = _games(resources, kind, day).values()
        if not schedule:
            return f"no games on {day}"
        if not (over := sum(game.claim.final for game in schedule)):
            return f"{len(schedule)} games are scheduled for {day}, none is over"
        raise DataError(
            f"no player is in a box score of {day}",
            cause=f"{over} of {len(schedule)} games are over, but the files of phase 1 have no player who played.",
            next_step=f"Collect again, once the source has them: {resources.raw.rerun('phase1', day, '--force')}",
        )

    def lacks(day: date, rows: Sequence[tuple[Any, ...]]) -> Sequence[str]:
        schedule = game_rules.games_of(day, resources.raw.read("schedule", day), kind).outcome
        return incomplete.teams_without_players(schedule.rows, rows)

    datasets: tuple[Dataset, ...] = ("player_boxscores", "schedule")
    target = Target(PLAYERS, boxscores.COLUMNS, datasets, normalise, why_empty, lacks)
    return write_set(resources, contexts, target)


def injuries(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
    """Write nba_raw.injuries."""
    kind = _kind(contexts)

    def normalise(day: date, names: Names) -> Normalised:
        records = resources.raw.read("injuries", day)
        return market.injuries_of(day, records, names(), kind) if records else Normalised(0)

    table, columns = "nba_raw.injuries", market.INJURY_COLUMNS
    target = Target(table, columns, ("injuries",), normalise, _nothing_collected)
    return write_set(resources, contexts, target)


def referees(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
    """Write nba_raw.referees."""
    kind = _kind(contexts)

    def normalise(day: date, _: Names) -> Normalised:
        records = resources.raw.read("referees", day)
        return market.referees_of(day, records, _games(resources, kind, day), kind)

    datasets: tuple[Dataset, ...] = ("referees", "schedule")
    target = Target("nba_raw.referees", market.REFEREE_COLUMNS, datasets, normalise, _nothing_collected)
    return write_set(resources, contexts, target)


def odds(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
    """Write nba_raw.odds: the lines on games and players."""
    kind = _kind(contexts)
    datasets: tuple[Dataset, ...] = ("odds_player_props", "odds_game_lines")

    def normalise(day: date, names: Names) -> Normalised:
        # Game lines are collected by a workflow of their own, and may not be there.
        there = [dataset for dataset in datasets if resources.raw.path(dataset, day).exists()] or datasets[:1]
        records = [record for dataset in there for record in resources.raw.read(dataset, day)]
        if not records:
            return Normalised(0)
        return market.odds_of(day, records, _games(resources, kind, day), names(), kind)

    collected: tuple[Dataset, ...] = ("odds_player_props", "schedule")
    columns = market.ODDS_COLUMNS
    target = Target("nba_raw.odds", columns, collected, normalise, _nothing_collected)
    return write_set(resources, contexts, target)


def _games(resources: ProcessorResources, kind: str, day: date) -> dict[tuple[str, str], game_rules.Game]:
    return game_rules.games_of(day, resources.raw.read("schedule", day), kind).games


def _nothing_collected(day: date) -> str:
    return f"the source has nothing for {day}"


def _kind(contexts: Sequence[TaskContext]) -> str:
    return contexts[0].call.source.partition(":")[0]
