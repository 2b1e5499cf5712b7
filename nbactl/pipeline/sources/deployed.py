"""Which dates have games, by the schedule that the deployed services keep in the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from nbactl.ports.warehouse import Warehouse

_LABELS: Final = {"task": "schedule"}
_PLAYED: Final = """
SELECT DISTINCT game_date FROM nba_raw.games
WHERE game_date BETWEEN @first AND @last AND game_status NOT IN ('postponed', 'cancelled')
ORDER BY game_date
"""
_SPAN: Final = "SELECT MIN(game_date), MAX(game_date) FROM nba_raw.games WHERE game_date >= DATE '1946-11-01'"
"""The first game was played on that date; the filter is for tables that require one."""


class DeployedSchedule:
    """The table nba_raw.games. `timeout` is how many seconds a query may take."""

    def __init__(self, warehouse: Callable[[], Warehouse], timeout: float) -> None:
        self._warehouse = warehouse
        self._timeout = timeout

    def game_dates(self, first: date, last: date) -> list[date]:
        """Return the dates with games, oldest first."""
        given = {"first": first, "last": last}
        result = self._warehouse().query(_PLAYED, given, timeout=self._timeout, labels=_LABELS)
        return [row[0] for row in result.rows]

    def uncovered(self, days: Sequence[date]) -> dict[date, str]:
        """Return those of `days` that lie outside of the schedule, and why nothing is known of them.

        Raises DataError if that is all of them (invariant 24).
        """
        [(first, last)] = self._warehouse().query(_SPAN, timeout=self._timeout, labels=_LABELS).rows
        outside = [day for day in days if first is None or not first <= day <= last]
        span = "it has no games" if first is None else f"its games are from {first} to {last}"
        if outside and len(outside) == len(days):
            raise DataError(
                f"the schedule in nba_raw.games does not cover {min(days)} to {max(days)}: {span}",
                cause="Outside of it, it is not known whether there were games.",
                next_step="Choose other dates, or give each with --date.",
            )
        return dict.fromkeys(outside, f"the games in nba_raw.games are from {first} to {last}")
