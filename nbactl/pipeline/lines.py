"""What a raw record says of one player in one game, shape by shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline import values
from nbactl.pipeline.claims import bdl_team, matchup
from nbactl.pipeline.quarantine import RejectedRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from nbactl.pipeline.sources.base import RawRecord

    Payload = Mapping[str, Any]

COUNTS: Final = (
    "points",
    "rebounds",
    "assists",
    "steals",
    "blocks",
    "turnovers",
    "fg_made",
    "fg_attempted",
    "three_made",
    "three_attempted",
    "ft_made",
    "ft_attempted",
)
"""Must be there."""
EXTRAS: Final = ("offensive_rebounds", "defensive_rebounds", "personal_fouls", "plus_minus")
"""NULL where the source does not give them."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whose row it is. `source_id` is `kind:id`; `game_id` is the one the row gives."""

    name: str
    source_id: str | None
    team: str
    opponent: str
    home: bool
    game_id: str | None
    day: date


@dataclass(frozen=True, slots=True)
class PlayerLine:
    """A player who was on court. `counts` and `extras` are in the order of COUNTS and EXTRAS."""

    record: RawRecord
    who: Who
    minutes: float
    counts: tuple[int, ...]
    extras: tuple[int | None, ...]

    @property
    def statistics(self) -> tuple[object, ...]:
        """Everything that makes two rows of a player the same."""
        return self.minutes, self.counts, self.extras


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a shape keeps what; `lists_only_players` says that nobody is in it who was not on court."""

    who: Callable[[Payload], Who]
    row: Callable[[Payload], Payload]
    minutes: str
    counts: tuple[str, ...]
    extras: tuple[str, ...]
    lists_only_players: bool
    full_box_score: bool


def read_line(record: RawRecord, day: date) -> PlayerLine | None:
    """Return what the record says, or None for a player who did not play. Raises RejectedRecordError."""
    shape = SHAPES.get(record.shape)
    if shape is None:
        raise RejectedRecordError("bad_value", f"a record of shape '{record.shape}' says nothing of a player")
    who = shape.who(record.payload)
    if who.day != day:
        raise RejectedRecordError("wrong_date", f"the record says {who.day}, it was collected for {day}")
    row = shape.row(record.payload)
    minutes = values.minutes_played(row.get(shape.minutes))
    if not minutes and (minutes is None or not shape.lists_only_players) and _nothing_done(row, shape):
        return None
    if minutes is None:
        raise RejectedRecordError("missing_minutes", "minutes are missing, and the row has statistics")
    counts = tuple(values.count(row.get(key), key) for key in shape.counts)
    *extras, plus_minus = (values.whole_or_none(row.get(key), key) for key in shape.extras)
    for value, key in zip(extras, shape.extras, strict=False):
        if value is not None and value < 0:
            raise RejectedRecordError("negative_value", f"{key} is {value}")
    line = PlayerLine(record, who, minutes, counts, (*extras, plus_minus))
    _refuse_impossible(line)
    return line


def _nothing_done(row: Payload, shape: Shape) -> bool:
    return all(row.get(key) in (None, "", 0, "0") for key in (*shape.counts, *shape.extras))


def _refuse_impossible(line: PlayerLine) -> None:
    points, rebounds, *_, fg_made, fg_tried, three_made, three_tried, ft_made, ft_tried = line.counts
    offensive, defensive, *_ = line.extras
    if fg_made > fg_tried or three_made > three_tried or ft_made > ft_tried:
        raise RejectedRecordError("impossible_value", "more shots made than attempted")
    if three_made > fg_made or three_tried > fg_tried:
        raise RejectedRecordError("impossible_value", "more three-pointers than field goals")
    if points != 2 * fg_made + three_made + ft_made:
        made = f"2 * {fg_made} + {three_made} + {ft_made}"
        raise RejectedRecordError("impossible_value", f"points are {points}, the shots made give {made}")
    if offensive is not None and defensive is not None and offensive + defensive != rebounds:
        raise RejectedRecordError("impossible_value", f"rebounds are {rebounds}, not {offensive} + {defensive}")


def _identity(payload: Payload) -> Payload:
    return payload


def _sample_who(payload: Payload) -> Who:
    return Who(
        values.text(payload.get("player_name"), "player name"),
        f"sample:{payload.get('player_id')}",
        values.team(payload.get("team")),
        values.team(payload.get("opponent"), "opponent"),
        payload.get("home") is True,
        values.text(payload.get("game_id"), "game id"),
        values.day_of(payload.get("game_date")),
    )


def _log_who(payload: Payload) -> Who:
    name = values.text(payload.get("PLAYER_NAME"), "player name")
    team, opponent, home = matchup(payload.get("MATCHUP"))
    stated = payload.get("TEAM_ABBREVIATION")
    if stated and values.team(stated) != team:
        raise RejectedRecordError("team_not_in_game", f"team is {stated}, the matchup {payload['MATCHUP']}")
    number = payload.get("PLAYER_ID")
    day = values.day_of(payload.get("GAME_DATE"))
    source_id = f"nba:{number}" if number else None
    return Who(name, source_id, team, opponent, home, values.league_id(payload.get("GAME_ID")), day)


def _bdl_who(payload: Payload) -> Who:
    game, at_home = payload["game"], payload["side"] == "home_team"
    player = payload["row"].get("player")
    if not isinstance(player, dict):
        raise RejectedRecordError("missing_name", "player is missing")
    name = f"{player.get('first_name') or ''} {player.get('last_name') or ''}"
    sides = ("home_team", "visitor_team") if at_home else ("visitor_team", "home_team")
    team, opponent = (bdl_team(game, side) for side in sides)
    number = player.get("id")
    day = values.day_of(game.get("date"))
    source_id = f"bdl:{number}" if number else None
    return Who(values.text(name, "player name"), source_id, team, opponent, at_home, None, day)


def _bdl_row(payload: Payload) -> Payload:
    row: Payload = payload["row"]
    return row


_LOG_COUNTS: Final = ("PTS", "REB", "AST", "STL", "BLK", "TOV", "FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA")
_BDL_COUNTS: Final = ("pts", "reb", "ast", "stl", "blk", "turnover", "fgm", "fga", "fg3m", "fg3a", "ftm", "fta")
_LOG_EXTRAS: Final = ("OREB", "DREB", "PF", "PLUS_MINUS")

# The league's game logs list appearances: 0 minutes there are a few seconds on court, not a player on the bench.
SHAPES: Final[Mapping[str, Shape]] = {
    "sample": Shape(_sample_who, _identity, "minutes", COUNTS, EXTRAS, lists_only_players=False, full_box_score=True),
    "nbac": Shape(_log_who, _identity, "MIN", _LOG_COUNTS, _LOG_EXTRAS, lists_only_players=True, full_box_score=True),
    "bdl": Shape(
        _bdl_who,
        _bdl_row,
        "min",
        _BDL_COUNTS,
        ("oreb", "dreb", "pf", "plus_minus"),
        lists_only_players=False,
        full_box_score=True,
    ),
    "player_game_log": Shape(
        _log_who, _identity, "MIN", _LOG_COUNTS, _LOG_EXTRAS, lists_only_players=True, full_box_score=False
    ),
}
"""In order of precedence."""
