"""Values as sources write them. Each function raises RejectedRecordError for what the value cannot be."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.season import first_year_of, first_year_of_id
from nbactl.pipeline.teams import team_abbr

if TYPE_CHECKING:
    from datetime import date

_CLOCK: Final = re.compile(r"(\d{1,3})(?:\.0+)?:(\d{2})(?:\.\d+)?")
_ISO_DURATION: Final = re.compile(r"PT(?:(\d{1,3})M)?(?:(\d{1,2}(?:\.\d+)?)S)?")
_NUMBER: Final = re.compile(r"\d{1,3}(?:\.\d+)?")
_WRITTEN_NUMBER: Final = re.compile(r"(?P<whole>\d+)(?:\.(?P<fraction>\d*))?(?:[eE]\+?(?P<exponent>\d{1,2}))?")
_AROUND_AN_ID: Final = " \t'\"="
"""What spreadsheets put around a number that is to stay a text: '0022400001 or ="0022400001"."""
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+")
_LEAGUE_ID: Final = re.compile(r"00[1-6]\d{7}")
_OTHER_LEAGUE_ID: Final = re.compile(r"(?:1[0-6]|20)[1-6]\d{7}")
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


def whole_id(value: Any) -> str | None:  # noqa: ANN401 - raw input
    """Return the digits of 203076, 203076.0, "203076", "203,076", ="203076" or "2.03076E5"; any other text as it is.

    None where nothing is given. Leading zeros stay. Raises RejectedRecordError for a number that lost digits.
    """
    if value is None or isinstance(value, bool):
        return None
    given = str(value).strip(_AROUND_AN_ID)
    if _GROUPED.fullmatch(given):
        given = given.replace(",", "")
    if given in ("", "0", "nan", "NaN", "None"):
        return None
    if match := _WRITTEN_NUMBER.fullmatch(given):
        return _digits_of(given, match["whole"], match["fraction"] or "", int(match["exponent"] or 0))
    return given


def _digits_of(given: str, whole: str, fraction: str, exponent: int) -> str:
    if exponent and len(fraction) != exponent:
        # Spreadsheets show 1.25E+07 for 12500001.
        raise RejectedRecordError("bad_value", f"the id is '{given}', which has lost digits")
    if not exponent and fraction.strip("0"):
        raise RejectedRecordError("bad_value", f"the id is '{given}', which is not a whole number")
    return whole + fraction if exponent else whole


def league_id(value: Any, day: date | None = None) -> str | None:  # noqa: ANN401 - raw input
    """Return the league's ten-digit game id, with the zeros that spreadsheets drop; None for anything else.

    With the `day` of the game, an id of another season is not taken for the league's. Raises RejectedRecordError for a
    number that lost digits.
    """
    padded = (whole_id(value) or "").zfill(10)
    if not _LEAGUE_ID.fullmatch(padded):
        return None
    # A game may be a few days into the dates that are counted to the next season.
    return padded if day is None or abs(first_year_of_id(padded) - first_year_of(day)) <= 1 else None


def is_id_of_other_league(value: Any) -> bool:  # noqa: ANN401 - raw input
    """Say whether a ten-digit id is that of a game of the WNBA, the G League or a summer league."""
    return isinstance(value, (str, int)) and bool(_OTHER_LEAGUE_ID.fullmatch(str(value).strip()))
