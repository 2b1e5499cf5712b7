"""When a workflow is due: pure functions from a schedule and a day to instants.

Times of day are Eastern wall-clock times. On the two nights when clocks change, the usual rule holds (RFC 5545, 3.3.5):
a time that is skipped in spring is due as long after the change as it would have been without it (02:00 is 03:00 EDT),
a time that occurs twice in autumn is due the first time only. `every` counts real hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import EASTERN, GameDate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.config.schedules import Schedule, TimeWindow
    from nbactl.config.workflows import Workflow
    from nbactl.ports.calendar import GameDay


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time at which a workflow is due. Instants are UTC.

    It may start from `due_at`; after `until` (None: no such bound) it is too late. The run works on `game_date`.
    """

    due_at: datetime
    until: datetime | None
    game_date: GameDate


_OFFSETS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}


def game_date_of(schedule: Schedule, day: date) -> GameDate:
    """Return the game date that a run due on the Eastern calendar day `day` works on."""
    return GameDate(day).plus(_OFFSETS[schedule.game_date])


def occurrences(
    schedule: Schedule, day: date, first_game: datetime | None = None, last_game: datetime | None = None
) -> list[Occurrence]:
    """Return when the workflow is due on the Eastern calendar day `day`, in order.

    `first_game` and `last_game` are the first and the last tip-off of the game date, None where no game is known; a
    schedule that counts from them is then not due at all. What a window that passes midnight brings on the next morning
    belongs to the day on which the window opened, and so does its game date.
    """
    game_date = game_date_of(schedule, day)
    if schedule.at is not None:
        # On the night when clocks go forward two times of day may be one instant.
        instants = dict.fromkeys(instant(day, at) for at in schedule.at)
        return [Occurrence(due_at, None, game_date) for due_at in instants]
    if schedule.once_between is not None:
        start, end = _window(schedule.once_between, day)
        return [Occurrence(start, end, game_date)]
    due = list(_repeats(schedule, day, first_game, last_game))[: schedule.max_per_day]
    return [Occurrence(due_at, None, game_date) for due_at in due]


def instant(day: date, at: time) -> datetime:
    """Return the UTC instant of an Eastern wall-clock time."""
    return datetime.combine(day, at.replace(fold=0), EASTERN).astimezone(UTC)


def end_of(day: date) -> datetime:
    """Return the UTC instant at which an Eastern calendar day ends."""
    return instant(day + timedelta(days=1), time())


def _window(window: TimeWindow, day: date) -> tuple[datetime, datetime]:
    last_day = day if window.start < window.end else day + timedelta(days=1)
    return instant(day, window.start), instant(last_day, window.end)


def _repeats(
    schedule: Schedule, day: date, first_game: datetime | None, last_game: datetime | None
) -> Iterator[datetime]:
    """Yield the repetitions of `every`: the end of `between` is included, the midnight that ends the day is not.

    They are counted from the start of the day or of its window whenever games begin, so that a game that is moved
    moves none of them: one that was run is not due again a little later.
    """
    before, after = schedule.before_first_game, schedule.after_last_game
    if schedule.every is None or (before and first_game is None) or (after and last_game is None):
        return
    if schedule.between is not None:
        start, end = _window(schedule.between, day)
    elif after:
        start, end = instant(day, time()), instant(day + timedelta(days=2), time())
    else:
        start, end = instant(day, time()), end_of(day) - timedelta(microseconds=1)
    if after and last_game is not None:
        end = min(end, last_game.astimezone(UTC) + timedelta(seconds=after))
    first = start if not before or first_game is None else first_game.astimezone(UTC) - timedelta(seconds=before)
    step = timedelta(seconds=schedule.every)
    if first > start:
        start += step * -((start - first) // step)
    while start <= end:
        yield start
        start += step


def occurrences_with(schedule: Schedule, day: date, games: GameDay | None) -> list[Occurrence]:
    """Return when the workflow is due on a day, by what is known of the games of its game date."""
    if games is None:
        return occurrences(schedule, day)
    return occurrences(schedule, day, games.first_tip_off, games.last_tip_off)


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """When a workflow is due on a day. `reason` says why it is not."""

    name: str
    workflow: Workflow
    due: tuple[Occurrence, ...]
    reason: str | None


def timetable(
    workflows: Mapping[str, Workflow], day: date, games: Callable[[date], GameDay | None]
) -> list[TimetableRow]:
    """Return a row for each workflow in the order of the day; workflows that are not due come last.

    `games` says what is known of the games of a date.
    """
    rows = []
    for name, workflow in workflows.items():
        plan = workflow.schedule
        due = () if plan is None else tuple(occurrences_with(plan, day, games(game_date_of(plan, day).day)))
        rows.append(TimetableRow(name, workflow, due, None if due else _why_not_due(workflow)))
    return sorted(rows, key=lambda row: (not row.due, row.due[0].due_at if row.due else instant(day, time()), row.name))


def _why_not_due(workflow: Workflow) -> str:
    plan = workflow.schedule
    if plan is None:
        return "by hand"
    if plan.before_first_game:
        return "first game not known (--first-game)"
    return "last game not known" if plan.after_last_game else "not on this day"
