"""Game dates as sources write them. An instant with an offset becomes the date in New York (invariant 14)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final, NamedTuple

from nbactl.core._support.gamedate import GameDate
from nbactl.pipeline.quarantine import RejectedRecordError

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEARS: Final = range(1946, 2100)
"""The league began in 1946: a year outside is a misread number."""

_WEEKDAY: Final = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
_MONTH: Final = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_ORDINAL: Final = r"(?:st|nd|rd|th)?"
_FORMS: Final = tuple(
    re.compile(form + r"(?P<rest>[T\s,].*)?", re.IGNORECASE)
    for form in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})",
        rf"{_WEEKDAY}{_MONTH}\s*(?P<day>\d{{1,2}}){_ORDINAL},?\s+(?P<year>\d{{4}})",
        rf"{_WEEKDAY}(?P<day>\d{{1,2}}){_ORDINAL}[\s-]+{_MONTH},?[\s-]+(?P<year>\d{{4}})",
    )
)
_TIME: Final = re.compile(
    r"[T\s,]\s*(?P<hour>\d{1,2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>\S.*)?",
    re.IGNORECASE,
)
_OFFSET: Final = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})?")
_UTC_NAMES: Final = frozenset({"z", "utc", "gmt"})
_EASTERN_NAMES: Final = frozenset({"et", "est", "edt", "eastern", "(et)", "us/eastern", "america/new_york"})
_TWO_DIGIT_YEAR: Final = re.compile(
    r"(?:\d{1,2}|[a-z]{3,9}\.?)[\s/.-]+(?:\d{1,2}|[a-z]{3,9}),?[\s/.-]+\d{2}", re.IGNORECASE
)
_DATE_LIKE: Final = re.compile(r"\d\D+\d|\d{3}|[a-z]{3}.*\d", re.IGNORECASE)


class UnsureDateError(RejectedRecordError):
    """A date that cannot be read surely, such as one with a two-digit year. The file is not taken at all."""

    def __init__(self, given: object, why: str) -> None:
        super().__init__("wrong_date", f"game date '{given}' {why}")


def day_of(value: Any) -> date:  # noqa: ANN401 - raw input
    """Return the game date of `2024-01-15`, `01/15/2024`, `JAN 15, 2024`, `15 January 2024`, or of an instant.

    `2024-01-16T03:30:00Z` is the evening of the 15th in New York. Midnight UTC stays the date that it is written with:
    that is how a date without a time becomes an instant. Raises UnsureDateError for what looks like a date in another
    spelling, RejectedRecordError for everything else.
    """
    if isinstance(value, str):
        return _day_of(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise UnsureDateError(value, "is a number")
    raise RejectedRecordError("missing_value", "game date is missing")


def is_utc_midnight(value: Any) -> bool:  # noqa: ANN401 - raw input
    """Say whether the value is an instant in UTC with nothing but zeros for its time."""
    parts = _parts(value.strip()) if isinstance(value, str) else None
    return parts is not None and parts[1] is not None and not any(parts[1][:-1]) and parts[1].zone is UTC


def is_tip_off(value: Any) -> bool:  # noqa: ANN401 - raw input
    """Say whether the value is an instant with a time of day, not just a date written as one."""
    parts = _parts(value.strip()) if isinstance(value, str) else None
    return parts is not None and parts[1] is not None and parts[1].zone is not None and not is_utc_midnight(value)


def states_day(value: Any, day: date) -> bool:  # noqa: ANN401 - raw input
    """Say whether a record's date is `day`. Among tip-offs in UTC, midnight is the evening before."""
    stated = day_of(value)
    return stated == day or (stated == day + timedelta(days=1) and is_utc_midnight(value))


class _Time(NamedTuple):
    """A time of day; `zone` is None for the league's own."""

    hour: int
    minute: int
    second: int
    fraction: int
    zone: tzinfo | None


@lru_cache(maxsize=4096)
def _day_of(given: str) -> date:
    if not given:
        raise RejectedRecordError("missing_value", "game date is missing")
    parts = _parts(given)
    if parts is None:
        if _DATE_LIKE.search(given):
            short = _TWO_DIGIT_YEAR.fullmatch(given)
            raise UnsureDateError(given, "has a two-digit year" if short else "is in no form that can be read surely")
        raise RejectedRecordError("wrong_date", f"game date '{given}' is not a date")
    day, time = parts
    if time is None or time.zone is None or is_utc_midnight(given):
        return day
    instant = datetime(day.year, day.month, day.day, time.hour, time.minute, time.second, tzinfo=time.zone)
    return GameDate.of(instant).day


def _parts(given: str) -> tuple[date, _Time | None] | None:
    """Return date and time as written, or None for what has no known form. Raises RejectedRecordError."""
    match = next((match for form in _FORMS if (match := form.fullmatch(given))), None)
    if match is None:
        return None
    month = match["month"].lower()
    numbers = int(match["year"]), int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1, int(match["day"])
    if numbers[0] not in _YEARS:
        raise UnsureDateError(given, f"has the year {numbers[0]}")
    try:
        day = date(*numbers)
    except ValueError as error:
        if numbers[1] > 12 >= numbers[2]:  # noqa: PLR2004 - months
            raise UnsureDateError(given, "has the day before the month") from error
        raise RejectedRecordError("wrong_date", f"game date '{given}' is not a date") from error
    return day, _time(given, match["rest"]) if (match["rest"] or "").strip(" ,") else None


def _time(given: str, rest: str) -> _Time:
    match = _TIME.fullmatch(rest)
    if match is None:
        raise UnsureDateError(given, "has a time that cannot be read")
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if half := match["half"]:
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - a day's hours
        raise UnsureDateError(given, "has a time that does not exist")
    return _Time(hour, minute, second, int(match["fraction"] or 0), _zone(given, (match["zone"] or "").strip().lower()))


def _zone(given: str, name: str) -> tzinfo | None:
    if not name or name in _EASTERN_NAMES:
        return None
    if name in _UTC_NAMES:
        return UTC
    match = _OFFSET.fullmatch(name)
    if match is None:
        raise UnsureDateError(given, f"has the time zone '{name}', which is not an offset")
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
    if offset >= timedelta(days=1):
        raise UnsureDateError(given, f"has the time zone '{name}', which is not an offset")
    return timezone(-offset if match["sign"] == "-" else offset) if offset else UTC
