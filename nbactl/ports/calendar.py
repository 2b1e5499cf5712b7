"""The calendar of games: on which dates there are games, and when they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


@frozen
class GameDay:
    """A date with games. Instants are UTC, and None where the schedule does not say.

    `games` counts those that are played or to be played: postponed and cancelled ones do not count. `over` counts the
    final ones.
    """

    date: date
    games: int
    over: int = 0
    first_tip_off: datetime | None = None
    last_tip_off: datetime | None = None


@frozen
class KnownGames:
    """What the schedule says of a range of dates: `days` has the dates with games.

    `unknown` are the dates that the schedule does not cover: whether they have games, nobody can say. `as_of` is when
    the schedule was read last, None where it is never out of date (files) or was never read.
    """

    days: Mapping[date, GameDay]
    unknown: frozenset[date] = frozenset()
    as_of: datetime | None = None


class GameCalendar(Protocol):
    """Says which dates have games."""

    def games(self, first: date, last: date) -> KnownGames:
        """Return what the schedule says of the dates from `first` to `last`, both included, by one query at most.

        Raises UnavailableError where the schedule cannot be read.
        """
        ...
