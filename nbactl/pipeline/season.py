"""The season of a game: by the league's game id where there is one, by the date only where there is none."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAGUE_ID: Final = re.compile(r"00\d\d\d{6}")
_FIRST_SEASON: Final = 46
"""The league's first season, 1946-47: two digits below it are a year of this century."""
_FIRST_MONTH: Final = 9
"""A date from September on is of the season that begins: no preseason starts earlier."""
_ENDED_LATE: Final[Mapping[int, date]] = {2020: date(2020, 10, 11)}
"""Last days of seasons that went on after that: the one that was interrupted in 2020."""
_FIRST_OPENING: Final = (10, 15)
"""Month and day: since there are thirty teams, no regular season has begun earlier."""
_STATED: Final = re.compile(r"(?P<first>\d{4})[-/](?:\d\d)?(?P<last>\d\d)")
_SEASON_ID: Final = re.compile(r"[1-6](?P<first>\d{4})")


def season_of(game_id: str | None, day: date, stated: str | None = None) -> str:
    """Return the season of a game, such as `2024-25`: by its league id, else as `stated`, else by its date."""
    if game_id is not None and _LEAGUE_ID.fullmatch(game_id):
        return season_name(first_year_of_id(game_id))
    return stated or season_name(first_year_of(day))


def first_year_of_id(game_id: str) -> int:
    """Return the year in which the season began: digits 4 and 5 of the league's ten-digit id."""
    digits = int(game_id[3:5])
    return digits + (1900 if digits >= _FIRST_SEASON else 2000)


def first_year_of(day: date) -> int:
    """Return the year in which the season of a date began."""
    ended_late = _ENDED_LATE.get(day.year)
    begins = day.month >= _FIRST_MONTH if ended_late is None else day > ended_late
    return day.year if begins else day.year - 1


def is_before_opening(day: date) -> bool:
    """Say whether no regular season has begun by this day of its autumn."""
    return first_year_of(day) == day.year and day.month >= _FIRST_MONTH and (day.month, day.day) < _FIRST_OPENING


def season_name(first_year: int) -> str:
    """Return `2024-25` for 2024."""
    return f"{first_year}-{(first_year + 1) % 100:02}"


def stated_season(value: Any) -> str | None:  # noqa: ANN401 - raw input
    """Return the season of `2024-25`, `2024-2025` or the league's `22024`; None for anything else.

    A single year is not taken: some sources mean the year in which the season begins, others that in which it ends.
    """
    text = str(value).strip().removesuffix(".0") if isinstance(value, (str, int, float)) else ""
    if match := _STATED.fullmatch(text):
        first = int(match["first"])
        return season_name(first) if (first + 1) % 100 == int(match["last"]) else None
    match = _SEASON_ID.fullmatch(text)
    return season_name(int(match["first"])) if match else None
