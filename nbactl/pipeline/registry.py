"""The processors by name. A module is imported when one of its processors runs, not before."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.pipeline.processor import Processor, ProcessorResources
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


def load(name: str) -> Processor:
    """Return the processor of that name. Raises NotFoundError with the nearest names."""
    target = PROCESSORS.get(name)
    if target is None:
        near = get_close_matches(name, PROCESSORS, n=1)
        raise NotFoundError(
            f"no processor is named '{name}'",
            next_step=f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(PROCESSORS)}.",
        )
    module, _, function = target.partition(":")
    return cast("Processor", getattr(import_module(module), function))


def run(name: str, resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Run the processor `name` for `context.call.game_date`."""
    return load(name)(resources, context)
