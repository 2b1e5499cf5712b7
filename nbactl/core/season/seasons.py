"""Seasons and their breaks, as they are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.season.idle import Idle
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbactl.core._support.gamedate import GameDate


@frozen
class Break:
    """Dates within a season on which no games are expected, both included."""

    first: GameDate
    last: GameDate
    reason: str


@frozen
class Season:
    """The dates between which games are expected, both included."""

    name: str
    first: GameDate
    last: GameDate
    breaks: tuple[Break, ...] = ()


class Seasons:
    """The declared seasons. `name_of` returns the name of the season to whose year a date belongs, such as 2024-25."""

    def __init__(self, seasons: Iterable[Season], name_of: Callable[[GameDate], str]) -> None:
        self.declared = tuple(sorted(seasons, key=lambda season: season.first))
        self.name_of = name_of

    def on(self, day: GameDate) -> Season | None:
        """Return the declared season that a date is in."""
        return next((season for season in self.declared if season.first <= day <= season.last), None)

    def idle(self, day: GameDate) -> Idle | None:
        """Return the break or the off-season that a date is in. Of a season that is not declared there is neither."""
        season = self.on(day)
        if season is not None:
            pause = next((pause for pause in season.breaks if pause.first <= day <= pause.last), None)
            return None if pause is None else Idle("break", pause.reason, pause.last)
        name = self.name_of(day)
        season = next((season for season in self.declared if season.name == name), None)
        if season is None:
            return None
        if day < season.first:
            return Idle("off_season", f"season {name} begins on {season.first}", season.first.plus(-1))
        following = self._next(season)
        return Idle(
            "off_season",
            f"season {name} ended on {season.last}",
            None if following is None else following.first.plus(-1),
        )

    def _next(self, season: Season) -> Season | None:
        """Return the season after another, if it is declared."""
        later = next((one for one in self.declared if one.first > season.last), None)
        follows = later is not None and int(later.name[:4]) == int(season.name[:4]) + 1
        return later if follows else None
