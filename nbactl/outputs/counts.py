"""How many games, teams, players and rows the warehouse has of each date: one query for all tables and dates."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.errors import NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from nbactl.ports.warehouse import Warehouse

_GAMES: Final = "nba_raw.games"
_BOX: Final = "nba_raw.player_boxscores"
_SUMMARY: Final = "nba_analytics.player_game_summary"
_CONTEXT: Final = "nba_analytics.upcoming_player_game_context"
_PREDICTED: Final = "nba_predictions.player_prop_predictions"
_LABELS: Final = {"task": "expect"}
_PLAYED: Final = "game_status NOT IN ('postponed', 'cancelled', 'forfeited')"
_DAYS: Final = "BETWEEN @first AND @last"
_BEFORE: Final = "BETWEEN DATE_SUB(@first, INTERVAL 14 DAY) AND @last"


@frozen
class _Counter:
    """A count by date; `sql` selects @name, which stands for its own, the date and the number."""

    tables: tuple[str, ...]
    sql: str


def _by_date(table: str, number: str) -> _Counter:
    text = (
        f"SELECT @name AS name, game_date AS day, {number} AS number "  # noqa: S608 - the names are ours
        f"FROM {table} WHERE game_date {_DAYS} GROUP BY game_date"
    )
    return _Counter((table,), text)


def _of_final_games(number: str) -> _Counter:
    text = (
        f"SELECT @name AS name, box.game_date AS day, {number} AS number FROM {_BOX} AS box "  # noqa: S608 - the names are ours
        f"JOIN {_GAMES} AS game ON game.game_date = box.game_date AND game.game_id = box.game_id "
        f"WHERE box.game_date {_DAYS} AND game.game_date {_DAYS} AND game.game_status = 'final' GROUP BY box.game_date"
    )
    return _Counter((_BOX, _GAMES), text)


# No team plays more than the ten games in a fortnight that upcoming_player_game_context looks back on.
_RECENT_TEAMS: Final = _Counter(
    (_BOX, _GAMES),
    "SELECT @name AS name, today.game_date AS day, "  # noqa: S608 - the names are ours
    "COUNT(DISTINCT CONCAT(today.game_id, '/', played.team_abbr)) AS number "
    f"FROM {_GAMES} AS today JOIN ("
    f"SELECT DISTINCT box.game_date, box.team_abbr FROM {_BOX} AS box "
    f"JOIN {_GAMES} AS before ON before.game_date = box.game_date AND before.game_id = box.game_id "
    f"WHERE box.game_date {_BEFORE} AND before.game_date {_BEFORE} AND before.game_status = 'final' "
    "AND COALESCE(before.season_type, 'regular') <> 'preseason'"
    ") AS played ON played.team_abbr IN (today.home_team_abbr, today.away_team_abbr) "
    "AND played.game_date < today.game_date "
    "AND played.game_date >= DATE_SUB(today.game_date, INTERVAL 14 DAY) "
    f"WHERE today.game_date {_DAYS} AND today.{_PLAYED} GROUP BY today.game_date",
)
_TEAM: Final = "COUNT(DISTINCT CONCAT(game_id, '/', team_abbr))"
_COUNTERS: Final[Mapping[str, _Counter]] = {
    "games": _by_date(_GAMES, f"COUNTIF({_PLAYED})"),
    "games in nba_raw": _by_date(_GAMES, "COUNTIF(game_status NOT IN ('postponed', 'cancelled'))"),
    "games over": _by_date(_GAMES, "COUNTIF(game_status = 'final')"),
    "box scores": _of_final_games("COUNT(*)"),
    "teams with box scores": _of_final_games("COUNT(DISTINCT CONCAT(box.game_id, '/', box.team_abbr))"),
    "teams that played lately": _RECENT_TEAMS,
    f"teams of {_SUMMARY}": _by_date(_SUMMARY, _TEAM),
    f"teams of {_CONTEXT}": _by_date(_CONTEXT, _TEAM),
    f"players of {_PREDICTED}": _by_date(_PREDICTED, "COUNT(DISTINCT player_lookup)"),
}


@frozen
class Counts:
    """The counts by date and name. The rows of a table have the name of the table."""

    found: Mapping[date, Mapping[str, int]]

    def of(self, name: str, day: date) -> int:
        """Return a count; a table that is not there has no rows."""
        return self.found.get(day, {}).get(name, 0)


def read_counts(warehouse: Warehouse, tables: Collection[str], first: date, last: date, *, timeout: float) -> Counts:
    """Count what there is from the day before `first` to `last`; `tables` are those whose rows are counted.

    `timeout` is seconds. Raises what a query raises, but not for tables that are not there.
    """
    counters = {**_COUNTERS, **{table: _by_date(table, "COUNT(*)") for table in sorted(tables)}}
    days = {"first": first - timedelta(days=1), "last": last}
    try:
        return _ask(warehouse, counters, days, timeout)
    except NotFoundError:
        there = set(_tables_of(warehouse))
        return _ask(
            warehouse,
            {name: counter for name, counter in counters.items() if there.issuperset(counter.tables)},
            days,
            timeout,
        )


def _tables_of(warehouse: Warehouse) -> list[str]:
    try:
        return warehouse.list_tables()
    except NotFoundError:  # there is no warehouse at all
        return []


def _ask(
    warehouse: Warehouse, counters: Mapping[str, _Counter], days: Mapping[str, date], timeout: float
) -> Counts:  # fmt: skip
    if not counters:
        return Counts({})
    sql = " UNION ALL ".join(counter.sql.replace("@name", f"'{name}'") for name, counter in counters.items())
    found: dict[date, dict[str, int]] = {}
    for name, day, number in warehouse.query(sql, days, timeout=timeout, labels=_LABELS, cache=False).rows:
        found.setdefault(day, {})[name] = int(number)
    return Counts(found)
