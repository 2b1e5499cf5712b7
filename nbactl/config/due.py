"""When the outputs of a phase are due, by the mode of the game date (workflows.yaml, `due:` of a phase)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from nbactl.config.base import Strict, TimeOfDay, at_least, at_most
from nbactl.core._support.gamedate import EASTERN

if TYPE_CHECKING:
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.modes import Mode


class DueTime(Strict):
    """A time of day, Eastern, and how many days after the game date it is; before it where negative."""

    at: TimeOfDay
    days: Annotated[int, at_least(-7), at_most(7)] = 0


class DueTimes(Strict):
    """When the outputs of a phase are due by the mode, which follows from the game date against today in Eastern time.

    Without a time for a mode, outputs of such dates are never late.
    """

    overnight: DueTime | None = None
    """Of dates before today."""
    same_day: DueTime | None = None
    """Of today."""
    tomorrow: DueTime | None = None
    """Of later dates."""


def due_at(times: DueTimes | None, day: GameDate, mode: Mode) -> datetime | None:
    """Return when the outputs of a date are due, in UTC; None where no time is declared.

    A time that a night of daylight saving skips is due an hour later on the clock, one that it repeats the first time.
    """
    due: DueTime | None = getattr(times, mode) if times is not None else None
    if due is None:
        return None
    return datetime.combine(day.day + timedelta(days=due.days), due.at, EASTERN).astimezone(UTC)
