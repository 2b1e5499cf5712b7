"""When a workflow is due: pure functions from a schedule and a day to instants.

Times of day are Eastern wall-clock times. On the two nights when clocks change, the usual rule holds (RFC 5545, 3.3.5):
a time that is skipped in spring is due as long after the change as it would have been without it (02:00 is 03:00 EDT),
a time that occurs twice in autumn is due the first time only. `every` counts real hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import EASTERN, GameDate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbactl.config.workflows import Schedule, TimeWindow, Workflow


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time at which a workflow is due. Instants are UTC.

    It may start from `due_at`; after `until` (None: no such bound) it is too late. The run works on `game_date`.
    """

    due_at: datetime
    until: datetime | None
    game_date: GameDate


def occurrences(schedule: Schedule, day: date, first_game: datetime | None = None) -> list[Occurrence]:
    """Return when the workflow is due on the Eastern calendar day `day`, in order.

    `first_game` is the instant of that day's first tip-off, None where no game is known; a schedule that counts from
    it (`before_first_game`) is then not due at all. What a window that passes midnight brings on the next morning
    belongs to the day on which the window opened, and so does its game date.
    """
    game_date = GameDate(day).plus(-1 if schedule.game_date == "yesterday" else 0)
    if schedule.at is not None:
        return [Occurrence(instant(day, schedule.at), None, game_date)]
    if schedule.once_between is not None:
        start, end = _window(schedule.once_between, day)
        return [Occurrence(start, end, game_date)]
    due = list(_repeats(schedule, day, first_game))[: schedule.max_per_day]
    return [Occurrence(due_at, None, game_date) for due_at in due]


def instant(day: date, at: time) -> datetime:
    """Return the UTC instant of an Eastern wall-clock time."""
    return datetime.combine(day, at.replace(fold=0), EASTERN).astimezone(UTC)


def _window(window: TimeWindow, day: date) -> tuple[datetime, datetime]:
    last_day = day if window.start < window.end else day + timedelta(days=1)
    return instant(day, window.start), instant(last_day, window.end)


def _repeats(schedule: Schedule, day: date, first_game: datetime | None) -> Iterator[datetime]:
    """Yield the repetitions of `every`: the end of `between` is included, the midnight that ends the day is not."""
    if schedule.every is None:
        return
    if schedule.between is None:
        start, end = instant(day, time()), instant(day + timedelta(days=1), time()) - timedelta(microseconds=1)
    else:
        start, end = _window(schedule.between, day)
    if schedule.before_first_game is not None:
        if first_game is None:
            return
        start = max(start, first_game.astimezone(UTC) - timedelta(seconds=schedule.before_first_game))
    step = timedelta(seconds=schedule.every)
    while start <= end:
        yield start
        start += step


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """When a workflow is due on a day. `reason` says why it is not."""

    name: str
    workflow: Workflow
    due: tuple[Occurrence, ...]
    reason: str | None


def timetable(workflows: Mapping[str, Workflow], day: date, first_game: datetime | None = None) -> list[TimetableRow]:
    """Return a row for each workflow in the order of the day; workflows that are not due come last."""
    rows = []
    for name, workflow in workflows.items():
        due = () if workflow.schedule is None else tuple(occurrences(workflow.schedule, day, first_game))
        rows.append(TimetableRow(name, workflow, due, None if due else _why_not_due(workflow)))
    return sorted(rows, key=lambda row: (not row.due, row.due[0].due_at if row.due else instant(day, time()), row.name))


def _why_not_due(workflow: Workflow) -> str:
    if workflow.schedule is None:
        return "by hand"
    return "first game not known (--first-game)" if workflow.schedule.before_first_game else "not on this day"
