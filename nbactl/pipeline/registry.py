"""The processors by name. A module is imported when one of its processors runs, not before."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.pipeline.processor import Processor, ProcessorResources, SetProcessor
    from nbactl.ports.compute import TaskContext, TaskOutcome

PROCESSORS: Final[Mapping[str, str]] = {
    "collect": "nbactl.pipeline.collect:collect",
    "raw.games": "nbactl.pipeline.raw:games",
    "raw.player_boxscores": "nbactl.pipeline.raw:player_boxscores",
    "raw.injuries": "nbactl.pipeline.raw:injuries",
    "raw.odds": "nbactl.pipeline.raw:odds",
    "raw.referees": "nbactl.pipeline.raw:referees",
    **dict.fromkeys(
        (
            "nba_analytics.player_game_summary",
            "nba_analytics.team_offense_game_summary",
            "nba_analytics.team_defense_game_summary",
            "nba_analytics.upcoming_player_game_context",
            "nba_analytics.upcoming_team_game_context",
            "nba_precompute.team_defense_zone_analysis",
            "nba_precompute.player_shot_zone_analysis",
            "nba_precompute.player_daily_cache",
            "nba_precompute.player_composite_factors",
            "nba_precompute.ml_feature_store",
        ),
        "nbactl.pipeline.transform:transform",
    ),
    "predictions.players": "nbactl.pipeline.predict.players:players",
    "predictions.export": "nbactl.pipeline.predict.export:export",
    "predictions.grade": "nbactl.pipeline.predict.grading:grade_day_before",
}

_OF_SETS: Final[Mapping[str, str]] = {
    "nbactl.pipeline.transform:transform": "nbactl.pipeline.transform:transform_set",
}
"""Processors that compute many dates at once, by the function that computes one."""
_IN_DATE_ORDER: Final = ("predictions.",)
"""Processors of a date that may rest on what a later phase made of an earlier one."""


def load(name: str) -> Processor:
    """Return the processor of that name. Raises NotFoundError with the nearest names."""
    target = PROCESSORS.get(name)
    if target is None:
        near = get_close_matches(name, PROCESSORS, n=1)
        raise NotFoundError(
            f"no processor is named '{name}'",
            next_step=f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(PROCESSORS)}.",
        )
    return cast("Processor", _imported(target))


def run(name: str, resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Run the processor `name` for `context.call.game_date`."""
    return load(name)(resources, context)


def takes_sets(name: str) -> bool:
    """Say whether the processor of a date needs nothing that a later phase makes of an earlier date."""
    return name in PROCESSORS and not name.startswith(_IN_DATE_ORDER)


def run_set(
    name: str, resources: ProcessorResources, contexts: Sequence[TaskContext]
) -> Sequence[TaskOutcome | Exception]:
    """Run the processor `name` for many dates; returns for each what it gives or raises.

    Raises what concerns no single date; nothing is written then.
    """
    if (target := _OF_SETS.get(PROCESSORS[name])) is not None:
        return cast("SetProcessor", _imported(target))(resources, contexts)
    processor = load(name)
    found: list[TaskOutcome | Exception] = []
    for context in contexts:
        try:
            found.append(processor(resources, context))
        except Exception as error:  # noqa: BLE001 - raised where the outcome of its date is awaited
            found.append(error)
    return found


def _imported(target: str) -> object:
    module, _, function = target.partition(":")
    return getattr(import_module(module), function)
