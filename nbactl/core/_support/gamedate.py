"""The game date: a calendar date in America/New_York, a type of its own (invariant 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EASTERN = ZoneInfo("America/New_York")
FIRST_DAY = date(1946, 11, 1)
LAST_DAY = date(2199, 12, 31)
"""Dates that a person may ask for: years of history can be subtracted from any of them, and days added."""
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, order=True)
class GameDate:
    """A date on which games are played, as the league counts it: in Eastern time."""

    day: date

    @classmethod
    def of(cls, instant: datetime) -> GameDate:
        """Return the game date of an instant. Raises ValueError for a naive datetime."""
        if instant.tzinfo is None:
            raise ValueError("a naive datetime has no game date")
        return cls(instant.astimezone(EASTERN).date())

    @classmethod
    def parse(cls, text: str, *, now: datetime, latest: Callable[[], GameDate] | None = None) -> GameDate:
        """Read `YYYY-MM-DD`, `today`, `yesterday`, `tomorrow` or `latest`.

        `latest` answers the newest game date of the source, and is called only when asked for. Raises UsageError.
        """
        if text == "today":
            return cls.of(now)
        if text == "yesterday":
            return cls.of(now).plus(-1)
        if text == "tomorrow":
            return cls.of(now).plus(1)
        if text == "latest" and latest is not None:
            return latest()
        return cls.iso(text, forms=_DATE_FORMS)

    @classmethod
    def iso(cls, text: str, *, forms: str = "Write it as YYYY-MM-DD.") -> GameDate:
        """Read `YYYY-MM-DD`, as messages and documents have it. Raises UsageError, which names the `forms`."""
        if not _ISO.fullmatch(text):
            raise UsageError(f"'{text}' is not a date", next_step=forms)
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise UsageError(f"'{text}' is not a date: {error}", next_step=forms) from error
        if not FIRST_DAY <= day <= LAST_DAY:
            raise UsageError(f"'{text}' is not a date of a game", next_step=_DATE_RANGE)
        return cls(day)

    def plus(self, days: int) -> GameDate:
        """Return the game date `days` calendar days later (earlier when negative)."""
        return GameDate(self.day + timedelta(days=days))

    def until(self, last: GameDate) -> Iterator[GameDate]:
        """Yield every date from this one to `last`, both included."""
        current = self
        while current <= last:
            yield current
            current = current.plus(1)

    def __str__(self) -> str:
        """Return the ISO form, `YYYY-MM-DD`."""
        return self.day.isoformat()


_DATE_FORMS = "Give YYYY-MM-DD, today, yesterday, tomorrow or latest (Eastern time)."
_DATE_RANGE = f"Give a date from {FIRST_DAY} (the league's first game) to {LAST_DAY}."


def parse_time_of_day(text: object) -> time:
    """Read `HH:MM`, Eastern time, from 00:00 to 23:59. Raises ValueError for every other form."""
    match = _TIME_OF_DAY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("write a time of day as HH:MM, Eastern time")
    return time(int(match[1]), int(match[2]))
