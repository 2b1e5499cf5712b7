"""Injury reports, betting lines and referees of a date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline import values
from nbactl.pipeline.quarantine import Normalised, Quarantined, RejectedRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.games import Game
    from nbactl.pipeline.lookup import Lookups
    from nbactl.pipeline.sources.base import RawRecord

    Row = tuple[Any, ...]

INJURY_COLUMNS: Final = (
    "game_date",
    "player_lookup",
    "player_name",
    "team_abbr",
    "status",
    "injury",
    "reported_at",
    "source",
)
ODDS_COLUMNS: Final = (
    "game_date",
    "game_id",
    "bookmaker",
    "market",
    "player_lookup",
    "player_name",
    "line",
    "over_price",
    "under_price",
    "home_price",
    "away_price",
    "source",
)
REFEREE_COLUMNS: Final = ("game_date", "game_id", "referee_name", "role", "source")
_STATUSES: Final = ("out", "doubtful", "questionable", "probable", "available")


def injuries_of(day: date, records: Sequence[RawRecord], lookups: Lookups, source: str) -> Normalised:
    """Turn injury reports into rows of nba_raw.injuries; of several about a player the last reported stays."""

    def read(record: RawRecord) -> tuple[Any, Row]:
        payload = record.payload
        name, team = values.text(payload.get("player_name"), "player name"), values.team(payload.get("team"))
        status = values.text(payload.get("status"), "status").lower()
        if status not in _STATUSES:
            raise RejectedRecordError("bad_value", f"status is '{status}', not one of {', '.join(_STATUSES)}")
        lookup = lookups.assign(name, team, _player_id(payload), day)
        reported_at = values.instant_or_none(payload.get("reported_at"), "reported_at")
        injury = values.text_or_none(payload.get("reason"), "reason")
        return lookup, (day, lookup, name, team, status, injury, reported_at, source)

    return _collect(records, read)


def odds_of(
    day: date, records: Sequence[RawRecord], games: Mapping[tuple[str, str], Game], lookups: Lookups, source: str
) -> Normalised:
    """Turn lines on games and players into rows of nba_raw.odds; a later line replaces an earlier one."""

    def read(record: RawRecord) -> tuple[Any, Row]:
        payload = record.payload
        home, away = (values.team(payload.get(side), side.replace("_", " ")) for side in ("home_team", "away_team"))
        if (game := games.get((away, home))) is None:
            raise RejectedRecordError("no_such_game", f"no game {away} at {home} on {day}")
        name = lookup = None
        if record.dataset == "odds_player_props":
            name, team = values.text(payload.get("player_name"), "player name"), values.team(payload.get("team"))
            if team not in (home, away):
                raise RejectedRecordError("team_not_in_game", f"{team} does not play in {away} at {home}")
            lookup = lookups.assign(name, team, _player_id(payload), day)
        bookmaker, market = (values.text(payload.get(key), key) for key in ("bookmaker", "market"))
        line = values.decimal_or_none(payload.get("line"), "line")
        prices = [
            values.whole_or_none(payload.get(f"{side}_price"), f"{side} price")
            for side in ("over", "under", "home", "away")
        ]
        key = (game.game_id, bookmaker, market, lookup)
        return key, (day, game.game_id, bookmaker, market, lookup, name, line, *prices, source)

    return _collect(records, read)


def referees_of(
    day: date, records: Sequence[RawRecord], games: Mapping[tuple[str, str], Game], source: str
) -> Normalised:
    """Turn assignments into rows of nba_raw.referees."""
    known = {game.game_id for game in games.values()}

    def read(record: RawRecord) -> tuple[Any, Row]:
        payload = record.payload
        game_id = values.text(payload.get("game_id"), "game id")
        if game_id not in known:
            raise RejectedRecordError("no_such_game", f"game {game_id} is not played on {day}")
        name = values.text(payload.get("name"), "referee's name")
        return (game_id, name), (day, game_id, name, values.text_or_none(payload.get("role"), "role"), source)

    return _collect(records, read)


def _collect(records: Sequence[RawRecord], read: Callable[[RawRecord], tuple[Any, Row]]) -> Normalised:
    outcome = Normalised(len(records))
    rows: dict[Any, Row] = {}
    for record in records:
        try:
            key, row = read(record)
        except RejectedRecordError as error:
            outcome.quarantined.append(Quarantined(record, error.reason, error.message))
            continue
        if key in rows:
            outcome.set_aside["duplicates" if rows[key] == row else "superseded"] += 1
        rows[key] = row
    outcome.rows = list(rows.values())
    return outcome


def _player_id(payload: Mapping[str, Any]) -> str | None:
    number = payload.get("player_id")
    return f"{'sample' if payload.get('synthetic') else 'nba'}:{number}" if number else None
