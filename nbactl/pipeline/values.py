"""Values as sources write them. Each function raises RejectedRecordError for what the value cannot be."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any, Final

from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.teams import team_abbr

_CLOCK: Final = re.compile(r"(\d{1,3})(?:\.0+)?:(\d{2})(?:\.\d+)?")
_ISO_DURATION: Final = re.compile(r"PT(?:(\d{1,3})M)?(?:(\d{1,2}(?:\.\d+)?)S)?")
_NUMBER: Final = re.compile(r"\d{1,3}(?:\.\d+)?")
_WRITTEN_DATE: Final = re.compile(r"([A-Za-z]{3}) (\d{1,2}), (\d{4})")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EMPTY: Final = (None, "")


def minutes_played(value: Any) -> float | None:  # noqa: ANN401 - raw input
    """Return minutes from 34, "06", 34.2, "34:12", "34.000000:12" or "PT34M12.00S"; None where nothing is given."""
    if isinstance(value, str):
        value = value.strip()
        if value == "":
            return None
        if _NUMBER.fullmatch(value):
            return float(value)
        if match := _CLOCK.fullmatch(value):
            return _minutes(value, int(match[1]), float(match[2]))
        if value != "PT" and (match := _ISO_DURATION.fullmatch(value)):
            return _minutes(value, int(match[1] or 0), float(match[2] or 0))
    elif value is None:
        return None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            raise RejectedRecordError("negative_value", f"minutes are {value}")
        return float(value)
    raise RejectedRecordError("bad_minutes", f"minutes are '{value}', neither a number nor MM:SS nor PT…M…S")


def _minutes(text: str, minutes: int, seconds: float) -> float:
    if seconds >= 60:  # noqa: PLR2004 - seconds of a minute
        raise RejectedRecordError("bad_minutes", f"minutes are '{text}': a minute has 60 seconds")
    return round(minutes + seconds / 60, 6)


def whole_or_none(value: Any, name: str) -> int | None:  # noqa: ANN401 - raw input
    """Return a whole number from 7, 7.0, "7" or "7.0"; None where nothing is given."""
    if type(value) is int:
        return value
    if value in _EMPTY:
        return None
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        try:
            number = float(value)
        except ValueError as error:
            raise RejectedRecordError("bad_value", f"{name} is '{value}', which is not a number") from error
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number != number // 1:
        raise RejectedRecordError("bad_value", f"{name} is '{value}', which is not a whole number")
    return int(number)


def count(value: Any, name: str) -> int:  # noqa: ANN401 - raw input
    """Return a whole number of at least 0."""
    if type(value) is str and value.isdecimal():
        return int(value)  # by far the most frequent form
    number = whole_or_none(value, name)
    if number is None:
        raise RejectedRecordError("missing_value", f"{name} is missing")
    if number < 0:
        raise RejectedRecordError("negative_value", f"{name} is {number}")
    return number


def decimal_or_none(value: Any, name: str) -> float | None:  # noqa: ANN401 - raw input
    """Return a number, or None where nothing is given."""
    if value in _EMPTY:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise RejectedRecordError("bad_value", f"{name} is '{value}', which is not a number") from error
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number
        raise RejectedRecordError("bad_value", f"{name} is '{value}', which is not a number")
    return number


def text(value: Any, name: str) -> str:  # noqa: ANN401 - raw input
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise RejectedRecordError("missing_name" if name == "player name" else "missing_value", f"{name} is missing")
    return value.strip()


def text_or_none(value: Any, name: str) -> str | None:  # noqa: ANN401 - raw input
    """Return a text, or None where nothing is given."""
    return None if value in _EMPTY else text(value, name)


def team(value: Any, name: str = "team") -> str:  # noqa: ANN401 - raw input
    """Return the league's abbreviation of a team."""
    given = text(value, name)
    abbr = team_abbr(given)
    if abbr is None:
        raise RejectedRecordError("unknown_team", f"{name} '{given}' is not one of the thirty teams")
    return abbr


def day_of(value: Any) -> date:  # noqa: ANN401 - raw input
    """Return the date of `2024-01-15`, `2024-01-15T00:00:00`, `01/15/2024` or `JAN 15, 2024`."""
    given = text(value, "game date")
    try:
        if "/" in given:
            month, day, year = given.split("/")
            return date(int(year), int(month), int(day))
        if match := _WRITTEN_DATE.fullmatch(given):
            return date(int(match[3]), _MONTHS.index(match[1].upper()) + 1, int(match[2]))
        return date.fromisoformat(given[:10])
    except ValueError as error:
        raise RejectedRecordError("wrong_date", f"game date '{given}' is not a date") from error


def instant_or_none(value: Any, name: str) -> datetime | None:  # noqa: ANN401 - raw input
    """Return an instant in UTC from ISO 8601 with an offset; None where nothing is given."""
    if value in _EMPTY:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise RejectedRecordError("bad_value", f"{name} is '{value}', which is not a time") from error
    if instant.tzinfo is None:
        raise RejectedRecordError("bad_value", f"{name} is '{value}', which has no time zone")
    return instant.astimezone(UTC)


def league_id(value: Any) -> str | None:  # noqa: ANN401 - raw input
    """Return the league's ten-digit game id, with the zeros that spreadsheets drop; None for anything else."""
    given = str(value).strip() if isinstance(value, (str, int)) else ""
    padded = given.zfill(10)
    return padded if given.isdigit() and len(padded) == 10 else None  # noqa: PLR2004 - the league's length
