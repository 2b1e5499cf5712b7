"""A calendar that is asked once for what several ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from nbactl.ports.calendar import GameCalendar, KnownGames


class AskedOnce:
    """Remembers the last answer of a calendar, for questions within its range. It is for one look at one moment."""

    def __init__(self, calendar: GameCalendar) -> None:
        self._calendar = calendar
        self._answer: tuple[date, date, KnownGames] | None = None

    def games(self, first: date, last: date) -> KnownGames:
        """Return what the schedule says, of the range at least."""
        if self._answer is None or not (self._answer[0] <= first and last <= self._answer[1]):
            self._answer = first, last, self._calendar.games(first, last)
        return self._answer[2]
