"""The schedule of a workflow in workflows.yaml."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal

from nbactl.config.base import Convert, Seconds, Strict, TimeOfDay, at_least
from nbactl.core._support.gamedate import parse_time_of_day


def _times_of_day(value: Any) -> tuple[time, ...]:  # noqa: ANN401 - raw YAML
    times = tuple(map(parse_time_of_day, value if isinstance(value, tuple) else (value,)))
    if not times or list(times) != sorted(set(times)):
        raise ValueError("write one time of day as HH:MM, Eastern time, or a list in the order of the day")
    return times


TimesOfDay = Annotated[tuple[time, ...], Convert(_times_of_day)]


class TimeWindow(Strict):
    """From `start` to `end`, Eastern time; `end` may be past midnight."""

    start: TimeOfDay
    end: TimeOfDay


class Schedule(Strict):
    """When a workflow is due. Exactly one of `at`, `once_between`, `every`."""

    at: TimesOfDay | None = None
    once_between: TimeWindow | None = None
    every: Seconds | None = None
    between: TimeWindow | None = None
    before_first_game: Seconds | None = None
    """Seconds before the first tip-off of the game date from which it is due."""
    after_last_game: Seconds | None = None
    """Seconds after the last tip-off of the game date until which it is due."""
    max_per_day: Annotated[int, at_least(1)] | None = None
    game_date: Literal["today", "yesterday", "tomorrow"] = "today"
    """Which game date a run started by this schedule works on."""
    game_days_only: bool = False
    """Whether it is skipped if the game date has no games."""
    first_game_before: TimeOfDay | None = None
    """Skipped unless the first tip-off of the game date is before this time."""
    until_found: str | None = None
    """The task that looks for something: once it wrote rows for a game date, the rest of the times are skipped."""
    tolerance: Seconds | None = None
    """How late, in seconds, it still runs; by default `schedule.tolerance` of timeouts.yaml."""

    @property
    def depends_on_games(self) -> bool:
        """Whether nothing can be decided without the schedule of games."""
        times = (self.before_first_game, self.after_last_game, self.first_game_before)
        return self.game_days_only or any(time is not None for time in times)
