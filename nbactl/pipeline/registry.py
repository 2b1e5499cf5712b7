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

COLLECT: Final = "collect"
PROCESSORS: Final[Mapping[str, str]] = {
    COLLECT: "nbactl.pipeline.collect:collect",
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

_OF_SETS: Final = frozenset({"nbactl.pipeline.raw", "nbactl.pipeline.transform"})
"""Modules whose processors take a set of dates; a date is the set of one."""
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
    return _of_one(_imported(target)) if _takes_a_set(target) else cast("Processor", _imported(target))


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
    if _takes_a_set(PROCESSORS[name]):
        return cast("SetProcessor", _imported(PROCESSORS[name]))(resources, contexts)
    processor = load(name)
    found: list[TaskOutcome | Exception] = []
    for context in contexts:
        try:
            found.append(processor(resources, context))
        except Exception as error:  # noqa: BLE001 - raised where the outcome of its date is awaited
            found.append(error)
    return found


def _takes_a_set(target: str) -> bool:
    return target.partition(":")[0] in _OF_SETS


def _of_one(function: object) -> Processor:
    def run_one(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
        (outcome,) = cast("SetProcessor", function)(resources, [context])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return run_one


def _imported(target: str) -> object:
    module, _, function = target.partition(":")
    return getattr(import_module(module), function)
