"""Cron expressions as Cloud Scheduler reads them.

https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules: five fields of `*`, numbers, names, lists,
ranges and steps. cronsim evaluates them; what it takes beyond that (seconds, L, #) is refused, and so is a step of days
beside a day of the week, which readers of cron combine in different ways.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_FIELD: Final = re.compile(r"[0-9A-Za-z*,/-]+")
_FIELDS: Final = 5
_DAY, _WEEKDAY = 2, 4
_SOME_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)


def check_cron(expression: str) -> str | None:
    """Return what is wrong with an expression, None if it is right."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only jobs need it

    fields = expression.split()
    if len(fields) != _FIELDS:
        return "a schedule has five fields: minute, hour, day of the month, month, day of the week"
    wrong = next((field for field in fields if not _FIELD.fullmatch(field) or re.search(r"\dL|L$", field)), None)
    if wrong is not None:
        return f"'{wrong}' is not a field: Cloud Scheduler takes *, numbers, names, lists, ranges and steps"
    day, weekday = fields[_DAY], fields[_WEEKDAY]
    if "*" not in {day, weekday} and (day.startswith("*") or weekday.startswith("*")):
        return "a step of days together with a day of the week or month means different things to different readers"
    try:
        moment = next(CronSim(expression, _SOME_DAY), None)
    except CronSimError as error:
        return str(error)[:1].lower() + str(error)[1:]
    return None if moment is not None else "there is no such day"


def next_run(expression: str, timezone: str, after: datetime) -> datetime | None:
    """Return the first time after `after` at which an expression is due, in UTC; None if it is not valid."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - as above

    zone = zone_of(timezone)
    if zone is None:
        return None
    try:
        found = next(CronSim(expression, after.astimezone(zone)), None)
    except CronSimError:
        return None
    return None if found is None else found.astimezone(UTC)


def in_words(expression: str) -> str:
    """Return an expression in words; one that cannot be read is returned as it is."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - as above

    try:
        text: str = CronSim(expression, _SOME_DAY).explain()
    except CronSimError:
        return expression
    return text[:1].lower() + text[1:]


def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone of the tz database, None if there is none of this name."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - as above

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
