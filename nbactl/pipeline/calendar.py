"""The calendar of games: of files, of the live source, or of the schedule that deployed services keep."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import DataError, NotFoundError, UnavailableError
from nbactl.pipeline.games import games_of
from nbactl.pipeline.keptgames import decode, encode
from nbactl.pipeline.season import first_year_of, season_name
from nbactl.ports.calendar import GameDay, KnownGames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.pipeline.keptgames import KeptGames
    from nbactl.pipeline.sources.base import GameSource, RawRecord
    from nbactl.pipeline.status import GameStatus
    from nbactl.ports.warehouse import Warehouse

_NOT_COUNTED: Final[tuple[GameStatus, ...]] = ("postponed", "cancelled")
"""Games that are not played on their date."""
_OVER: Final[tuple[GameStatus, ...]] = ("final", "forfeited")


class FilesCalendar:
    """The calendar of a source with a history, which is never out of date.

    The games of a date are read once for each version that the source has of it; `kept` has them from then on.
    """

    def __init__(self, source: GameSource, kept: KeptGames) -> None:
        self._source = source
        self._kept = kept
        self._found: dict[str, Any] | None = None
        """By date: the version, and the game day."""

    def games(self, first: date, last: date) -> KnownGames:
        """Return what the files say."""
        listed = self._source.game_dates(date.min, date.max)
        asked = [day for day in listed if first <= day <= last]
        found = self._of(self._source.versions("schedule", asked))
        unknown = (day for day in _days(first, last) if not listed or not listed[0] <= day <= listed[-1])
        return KnownGames({day: game for day, game in found.items() if game.games}, frozenset(unknown))

    def _of(self, versions: Mapping[date, str]) -> dict[date, GameDay]:
        if self._found is None:
            self._found = self._kept.load()
        found = self._found
        new = [day for day, version in versions.items() if found.get(day.isoformat(), [None])[0] != version]
        if new:
            read = self._read(new)
            found |= {day.isoformat(): [versions[day], *encode(game)] for day, game in read.items()}
            self._kept.store(found)
        return {day: decode(day, found[day.isoformat()][1:]) for day in versions}

    def _read(self, days: Sequence[date]) -> dict[date, GameDay]:
        records: dict[date, list[RawRecord]] = {day: [] for day in days}
        for record in self._source.collect("schedule", days):
            records[record.game_date].append(record)
        return {day: _of_records(day, of_day, self._source.name) for day, of_day in records.items()}


def _of_records(day: date, records: Sequence[RawRecord], source: str) -> GameDay:
    found = games_of(day, records, source)
    refused = len(found.outcome.quarantined)
    if not found.games and (refused or not records):
        return GameDay(day, max(refused, 1))  # there are games, and nothing more can be said of them
    return _game_day(day, ((game.claim.status, game.claim.tipoff_at) for game in found.games.values()))


def _game_day(day: date, games: Iterable[tuple[GameStatus, datetime | None]]) -> GameDay:
    counted = [(status, tip_off) for status, tip_off in games if status not in _NOT_COUNTED]
    tip_offs = sorted(tip_off for _, tip_off in counted if tip_off is not None)
    over = sum(status in _OVER for status, _ in counted)
    return GameDay(day, len(counted), over, *((tip_offs[0], tip_offs[-1]) if tip_offs else ()))


class ListsGames(Protocol):
    """A source that gives a whole season's schedule by one request."""

    def listed_games(self, season: str) -> Mapping[date, Sequence[tuple[GameStatus, datetime | None]]]:
        """Return the state and the tip-off of each game of a season by date. Raises UnavailableError."""
        ...


class ServerCalendar:
    """The calendar of a source that is a server. A season is asked for again after `keep` seconds, until it is over.

    While the server does not answer, what was read last counts: `as_of` says how old it is. A date outside of its
    season's schedule is unknown.
    """

    def __init__(self, source: ListsGames, kept: KeptGames, clock: Clock, keep: float) -> None:
        self._source = source
        self._kept = kept
        self._clock = clock
        self._keep = timedelta(seconds=keep)

    def games(self, first: date, last: date) -> KnownGames:
        """Return what the schedules of the seasons say."""
        kept = self._kept.load()
        days: dict[date, GameDay] = {}
        unknown = set(_days(first, last))
        read_at: list[datetime] = []
        for year in range(first_year_of(first), first_year_of(last) + 1):
            at, season = self._season(season_name(year), kept)
            if season:
                days |= {day: game for day, game in season.items() if first <= day <= last and game.games}
                unknown.difference_update(_days(max(first, min(season)), min(last, max(season))))
            if not _is_over(season, at):
                read_at.append(at)
        return KnownGames(days, frozenset(unknown), min(read_at, default=None))

    def _season(self, name: str, kept: dict[str, Any]) -> tuple[datetime, dict[date, GameDay]]:
        """Return when a season's schedule was read, and the schedule."""
        known: tuple[datetime, dict[date, GameDay]] | None = None
        if name in kept:
            season = {date.fromisoformat(day): decode(date.fromisoformat(day), g) for day, g in kept[name][1].items()}
            known = datetime.fromisoformat(kept[name][0]), season
            if _is_over(season, known[0]) or known[0] > self._clock.now() - self._keep:
                return known
        try:
            listed = self._source.listed_games(name)
        except UnavailableError:
            if known is None:
                raise
            return known
        now = self._clock.now()
        season = {day: _game_day(day, games) for day, games in listed.items()}
        kept[name] = [now.isoformat(), {day.isoformat(): encode(game) for day, game in season.items()}]
        self._kept.store(kept)
        return now, season


def _is_over(season: Mapping[date, GameDay], at: datetime) -> bool:
    """Say whether a schedule that was read at `at` is final: the next season had begun."""
    return bool(season) and first_year_of(GameDate.of(at).day) > first_year_of(max(season))


_DAYS_SQL: Final = """
SELECT 'day' AS what, game_date AS first_day, game_date AS last_day, COUNT(*) AS games,
  COUNTIF(game_status IN ('final', 'forfeited')) AS over_games, MIN(tipoff_at) AS first_at, MAX(tipoff_at) AS last_at
FROM nba_raw.games
WHERE game_date BETWEEN @first AND @last AND game_status NOT IN ('postponed', 'cancelled')
GROUP BY game_date
UNION ALL
SELECT 'span', MIN(game_date), MAX(game_date), 0, 0, CAST(NULL AS TIMESTAMP), CAST(NULL AS TIMESTAMP)
FROM nba_raw.games
WHERE game_date >= DATE '1946-11-01'
"""
"""The first game was played on that date; the filter is for tables that require one."""
_READ_SQL: Final = """
UNION ALL
SELECT 'read', CAST(NULL AS DATE), CAST(NULL AS DATE), 0, 0, MAX(processed_at), CAST(NULL AS TIMESTAMP)
FROM nba_reference.processor_run_history
WHERE data_date >= @since AND LOWER(processor_name) LIKE '%schedule%' AND LOWER(status) IN ('success', 'partial')
"""
"""The schedule's processors report under several spellings, all with that word."""
_LOOKS_BACK: Final = timedelta(days=30)
"""How old a reading of the schedule is looked for: an older one is out of date anyway."""


class DeployedCalendar:
    """The table nba_raw.games, by one query a range.

    `timeout` is seconds. When the schedule was read last is the later of what production's run history has and what
    `read_by_us` returns; without that history only the latter is known.
    """

    def __init__(
        self,
        warehouse: Callable[[], Warehouse],
        clock: Clock,
        timeout: float,
        read_by_us: Callable[[], datetime | None],
    ) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self._timeout = timeout
        self._read_by_us = read_by_us
        self._has_history = True

    def games(self, first: date, last: date) -> KnownGames:
        """Return what the table says. Without the table nothing is known."""
        days: dict[date, GameDay] = {}
        unknown = set(_days(first, last))
        read_at = [self._read_by_us()]
        for what, first_day, last_day, games, over, first_at, last_at in self._rows(first, last):
            if what == "day":
                days[first_day] = GameDay(first_day, games, over, first_at, last_at)
            elif what == "read":
                read_at.append(first_at)
            elif first_day is not None:
                unknown.difference_update(_days(max(first, first_day), min(last, last_day)))
        return KnownGames(days, frozenset(unknown), max((at for at in read_at if at is not None), default=None))

    def _rows(self, first: date, last: date) -> list[tuple[Any, ...]]:
        given = {"first": first, "last": last}
        if self._has_history:
            since = GameDate.of(self._clock.now()).day - _LOOKS_BACK
            try:
                return self._query(_DAYS_SQL + _READ_SQL, {**given, "since": since})
            except (NotFoundError, DataError):
                self._has_history = False  # no such table, or of another shape
        try:
            return self._query(_DAYS_SQL, given)
        except NotFoundError:
            return []

    def _query(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        labels = {"task": "schedule"}
        return self._warehouse().query(sql, parameters, timeout=self._timeout, labels=labels).rows


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
