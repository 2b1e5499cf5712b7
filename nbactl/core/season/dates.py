"""Which dates are idle: halted, in a break, in the off-season, or without games; the first of these counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.season.idle import Idle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.halts import Halt
    from nbactl.core.season.seasons import Seasons
    from nbactl.ports.calendar import GameCalendar, KnownGames


class SeasonIdleDates:
    """Puts halts, declared seasons and the calendar of games together.

    The halts are read once for all dates. The calendar is asked once, and only for dates that are not idle anyway: in
    the off-season nothing is asked.
    """

    def __init__(self, seasons: Seasons, halts: Callable[[], Sequence[Halt]], calendar: GameCalendar) -> None:
        self._seasons = seasons
        self._halts = halts
        self._calendar = calendar

    def idle(self, days: Sequence[GameDate]) -> Mapping[GameDate, Idle]:
        """Return those of `days` on which nothing is expected, and why. A date whose games are unknown is not idle.

        Raises what reading the halts and the calendar raises.
        """
        halts = self._halts() if days else ()
        found: dict[GameDate, Idle] = {}
        for day in days:
            if (idle := _halted(halts, day) or self._seasons.idle(day)) is not None:
                found[day] = idle
        others = [day for day in days if day not in found]
        if others:
            known = self._calendar.games(min(others).day, max(others).day)
            found |= {day: _without_games(known, day, max(others)) for day in others if _is_empty(known, day)}
        return {day: found[day] for day in days if day in found}


def _halted(halts: Sequence[Halt], day: GameDate) -> Idle | None:
    """Return the halt on a date: of several the one that ends last."""
    on_day = [halt for halt in halts if day in halt]
    if not on_day:
        return None
    longest = max(on_day, key=lambda halt: (halt.last is None, halt.last))
    return Idle("halted", longest.reason, longest.last)


def _is_empty(known: KnownGames, day: GameDate) -> bool:
    return day.day not in known.days and day.day not in known.unknown


def _without_games(known: KnownGames, day: GameDate, last: GameDate) -> Idle:
    """Return why a date is idle that has no games; until when is known if games follow in the range."""
    end = next((date for date in day.until(last) if not _is_empty(known, date)), None)
    return Idle("no_games", "the schedule has no games", None if end is None else end.plus(-1))
