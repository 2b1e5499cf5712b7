"""Who bears which name while a set of dates is written, as if they were written one after the other.

The memory is nba_raw.player_boxscores: what it has when the turn of a date comes, with the new rows of the dates before
it, and with those of later dates as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.pipeline import boxscores
from nbactl.pipeline.lookup import Lookups
from nbactl.pipeline.sets import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from typing import Any

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.ports.compute import TaskContext

PLAYERS: Final = "nba_raw.player_boxscores"
KNOWN_PLAYERS: Final = """
SELECT
  player_lookup, player_name, team_abbr, source_player_id,
  IF(game_date IN UNNEST(@days), game_date, NULL) AS written, MAX(game_date) AS last_seen
FROM nba_raw.player_boxscores
WHERE game_date >= DATE '1946-11-01'
GROUP BY player_lookup, player_name, team_abbr, source_player_id, written
"""


class _Known(NamedTuple):
    lookup: str
    name: str
    team: str
    source_id: str | None


class Names:
    """The names that are known when each date of a set is written; to be asked in order of dates."""

    def __init__(self, resources: ProcessorResources, contexts: Sequence[TaskContext], days: Sequence[date]) -> None:
        """`days` are all dates that are written, those of the contexts and earlier ones."""
        self._resources = resources
        self._contexts = contexts
        self._days = days
        self._token = contexts[0].fence.token
        self._always: dict[_Known, date] | None = None
        self._of_day: dict[date, set[_Known]] = {}

    def at(self, day: date) -> Lookups:
        """Return what is known when the turn of a date has come."""
        self._read()
        # What this set of runs has replaced of later dates was still there when a date was written by itself.
        before = self._resources.names_before(self._token)
        known = dict(self._always or {})
        for other, names in sorted(self._of_day.items()):
            for name in before.get(other, names) if other > day else names:
                known[name] = max(known.get(name, other), other)
        lookups = Lookups(self._resources.aliases().player)
        lookups.remember((*name, seen) for name, seen in sorted(known.items(), key=_as_text))
        return lookups

    def replaced(self, day: date, rows: Iterable[tuple[Any, ...]]) -> None:
        """Note the box scores that a date has from now on."""
        self._read()
        self._resources.names_before(self._token).setdefault(day, self._of_day.get(day, set()))
        self._of_day[day] = {_Known(*(row[place] for place in _PLACES)) for row in rows}

    def _read(self) -> None:
        if self._always is not None:
            return
        self._always = {}
        resources = self._resources
        resources.ensure_tables(PLAYERS)
        found = resources.warehouse().query(
            KNOWN_PLAYERS,
            {"days": list(self._days)},
            timeout=resources.timeouts["warehouse.query"],
            labels=labels_of(self._contexts),
            cache=False,
        )
        for lookup, name, team, source_id, written, seen in found.rows:
            known = _Known(lookup, name, team, source_id)
            if written is None:
                self._always[known] = seen
            else:
                self._of_day.setdefault(written, set()).add(known)


_PLACES: Final = tuple(
    boxscores.COLUMNS.index(name) for name in ("player_lookup", "player_name", "team_abbr", "source_player_id")
)


def _as_text(known: tuple[_Known, date]) -> tuple[str, ...]:
    return tuple(value or "" for value in known[0])
