"""The players' box scores of a date: one row per player who was on court, from every record that speaks of him."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline import values
from nbactl.pipeline.dates import states_day
from nbactl.pipeline.game_facts import bdl_team, bdl_teams, log_teams, matchup, season_type_of
from nbactl.pipeline.lookup import plain_name
from nbactl.pipeline.other_games import OtherGameError, refuse_other_game
from nbactl.pipeline.quarantine import Normalised, Quarantined, RejectedRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from nbactl.pipeline.sources.base import RawRecord

    Payload = Mapping[str, Any]
    from collections.abc import Iterable, Mapping, Sequence

    from nbactl.pipeline.games import Game
    from nbactl.pipeline.lookup import Lookups

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
class PlayerRef:
    """Whose row it is. `source_id` is `kind:id`; `game_id` is the one the row gives."""

    name: str
    source_id: str | None
    team: str
    opponent: str
    home: bool
    game_id: str | None


@dataclass(frozen=True, slots=True)
class PlayerLine:
    """A player who was on court. `counts` and `extras` are in the order of COUNTS and EXTRAS."""

    record: RawRecord
    who: PlayerRef
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

    who: Callable[[Payload], PlayerRef]
    date: Callable[[Payload], Any]
    game: Callable[[Payload], tuple[Any, tuple[Any, Any], Any]]
    """Game id, teams and season type as the record has them."""
    row: Callable[[Payload], Payload]
    minutes: str
    counts: tuple[str, ...]
    extras: tuple[str, ...]
    lists_only_players: bool
    full_box_score: bool


def read_line(record: RawRecord, day: date) -> PlayerLine | None:
    """Return what the record says, or None for a player who did not play.

    Raises RejectedRecordError, or OtherGameError for a row of a game that is set aside.
    """
    shape = SHAPES.get(record.shape)
    if shape is None:
        raise RejectedRecordError("bad_value", f"a record of shape '{record.shape}' says nothing of a player")
    if not states_day(stated := shape.date(record.payload), day):
        raise RejectedRecordError("wrong_date", f"the record says {stated}, it was collected for {day}")
    game_id, teams, season_type = shape.game(record.payload)
    refuse_other_game(game_id, teams, day, season_type=season_type_of(season_type))
    who = shape.who(record.payload)
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


def _sample_who(payload: Payload) -> PlayerRef:
    return PlayerRef(
        values.text(payload.get("player_name"), "player name"),
        f"sample:{payload.get('player_id')}",
        values.team(payload.get("team")),
        values.team(payload.get("opponent"), "opponent"),
        payload.get("home") is True,
        values.text(payload.get("game_id"), "game id"),
    )


def _log_who(payload: Payload) -> PlayerRef:
    name = values.text(payload.get("PLAYER_NAME"), "player name")
    team, opponent, home = matchup(payload.get("MATCHUP"))
    stated = payload.get("TEAM_ABBREVIATION")
    if stated and values.team(stated) != team:
        raise RejectedRecordError("team_not_in_game", f"team is {stated}, the matchup {payload['MATCHUP']}")
    source_id = _source_id("nba", payload.get("PLAYER_ID"))
    return PlayerRef(name, source_id, team, opponent, home, values.league_id(payload.get("GAME_ID")))


def _source_id(kind: str, number: Any) -> str | None:  # noqa: ANN401 - raw input
    digits = values.whole_id(number)
    return f"{kind}:{digits.lstrip('0')}" if digits else None


def _bdl_who(payload: Payload) -> PlayerRef:
    game, at_home = payload["game"], payload["side"] == "home_team"
    player = payload["row"].get("player")
    if not isinstance(player, dict):
        raise RejectedRecordError("missing_name", "player is missing")
    name = f"{player.get('first_name') or ''} {player.get('last_name') or ''}"
    sides = ("home_team", "visitor_team") if at_home else ("visitor_team", "home_team")
    team, opponent = (bdl_team(game, side) for side in sides)
    source_id = _source_id("bdl", player.get("id"))
    return PlayerRef(values.text(name, "player name"), source_id, team, opponent, at_home, None)


def _bdl_row(payload: Payload) -> Payload:
    row: Payload = payload["row"]
    return row


_LOG_COUNTS: Final = ("PTS", "REB", "AST", "STL", "BLK", "TOV", "FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA")
_BDL_COUNTS: Final = ("pts", "reb", "ast", "stl", "blk", "turnover", "fgm", "fga", "fg3m", "fg3a", "ftm", "fta")
_LOG_EXTRAS: Final = ("OREB", "DREB", "PF", "PLUS_MINUS")


def _log_game(payload: Payload) -> tuple[Any, tuple[Any, Any], Any]:
    return payload.get("GAME_ID"), log_teams(payload), payload.get("SEASON_TYPE")


def _log_shape(*, full_box_score: bool) -> Shape:
    # The league's game logs list appearances: 0 minutes there are a few seconds on court, not a player on the bench.
    return Shape(
        _log_who,
        lambda payload: payload.get("GAME_DATE"),
        _log_game,
        _identity,
        "MIN",
        _LOG_COUNTS,
        _LOG_EXTRAS,
        lists_only_players=True,
        full_box_score=full_box_score,
    )


SHAPES: Final[Mapping[str, Shape]] = {
    "sample": Shape(
        _sample_who,
        lambda payload: payload.get("game_date"),
        lambda payload: (None, (payload.get("team"), payload.get("opponent")), None),
        _identity,
        "minutes",
        COUNTS,
        EXTRAS,
        lists_only_players=False,
        full_box_score=True,
    ),
    "nbac": _log_shape(full_box_score=True),
    "bdl": Shape(
        _bdl_who,
        lambda payload: payload["game"].get("date"),
        lambda payload: (None, bdl_teams(payload), None),
        _bdl_row,
        "min",
        _BDL_COUNTS,
        ("oreb", "dreb", "pf", "plus_minus"),
        lists_only_players=False,
        full_box_score=True,
    ),
    "player_game_log": _log_shape(full_box_score=False),
}
"""In order of precedence."""


COLUMNS: Final = (
    "game_date",
    "game_id",
    "player_lookup",
    "player_name",
    "team_abbr",
    "opponent_team_abbr",
    "home_game",
    "minutes",
    *COUNTS,
    *EXTRAS,
    "source",
    "source_player_id",
)
_RANK: Final = {shape: rank for rank, shape in enumerate(SHAPES)}
_REGULATION_MINUTES: Final = 48
_OVERTIME_MINUTES: Final = 5
_MOST_OVERTIMES: Final = 6
"""The record, of 1951; bounds minutes where the source does not say how many periods there were."""
_FULL_TEAM_MINUTES: Final = 235
"""240 less what rounding ten players to whole minutes can take away."""

_Placed = tuple[PlayerLine, "Game", str]


def boxscores_of(
    day: date, records: Sequence[RawRecord], games: Mapping[tuple[str, str], Game], lookups: Lookups
) -> Normalised:
    """Turn records into rows of nba_raw.player_boxscores (COLUMNS).

    A player has one row a day. Box scores come before logs; of two rows of the same kind that differ, the one with
    more minutes stays (a box score only grows while a game is on) and the other goes to quarantine. In a team whose
    box score is whole, a log of somebody else goes there too: he would be counted on top.
    """
    outcome = Normalised(len(records))
    placed: list[_Placed] = []
    for line in _lines(records, day, outcome):
        try:
            placed.append((line, _game_of(line, games, day), ""))
        except RejectedRecordError as error:
            outcome.quarantined.append(Quarantined(line.record, error.reason, error.message))
    by_player: defaultdict[str, list[_Placed]] = defaultdict(list)
    lookups.meet((line.who.name, line.who.team, line.who.source_id) for line, _, _ in placed)
    # Names that somebody bears go first, so that they are not taken for another's spelling.
    for line, game, _ in sorted(placed, key=lambda row: (not lookups.knows(row[0].who.name), _naming_order(row))):
        lookup = lookups.assign(line.who.name, line.who.team, line.who.source_id, day)
        by_player[lookup].append((line, game, lookup))
    chosen = [_choose(rows, outcome) for rows in by_player.values()]
    kept = _without_strays(chosen, outcome)
    outcome.rows = sorted(_row(day, *row) for row in kept)
    outcome.notes = lookups.matched()
    outcome.warnings = [*_unfinished_games(day, kept), *lookups.unexplained(day)]
    return outcome


def _unfinished_games(day: date, rows: Iterable[_Placed]) -> list[str]:
    """Name the games whose box scores are whole, though the source does not say that they are over."""
    minutes: defaultdict[tuple[str, str], float] = defaultdict(float)
    claims = {}
    for line, game, _ in rows:
        if game.claim.status not in ("final", "forfeited"):
            minutes[game.game_id, line.who.team] += line.minutes
            claims[game.game_id] = game.claim
    whole = {game_id for (game_id, _), played in minutes.items() if played >= _FULL_TEAM_MINUTES}
    return [
        f"{claim.away} at {claim.home} on {day} has a whole box score, but its status is "
        f"'{claim.status_text or claim.status}': its lines are left out of every average until it is final"
        for game_id, claim in sorted(claims.items())
        if game_id in whole
    ]


def _lines(records: Iterable[RawRecord], day: date, outcome: Normalised) -> Iterable[PlayerLine]:
    for record in records:
        try:
            line = read_line(record, day)
        except RejectedRecordError as error:
            outcome.quarantined.append(Quarantined(record, error.reason, error.message))
            continue
        except OtherGameError as other:
            outcome.set_aside[other.kind] += 1
            continue
        if line is None:
            outcome.set_aside["dnp"] += 1
        else:
            yield line


def _game_of(line: PlayerLine, games: Mapping[tuple[str, str], Game], day: date) -> Game:
    who = line.who
    game = games.get((who.opponent, who.team) if who.home else (who.team, who.opponent))
    if game is None:
        named = next((game for game in games.values() if who.game_id and game.game_id == who.game_id), None)
        if named is not None:
            teams = f"{named.claim.away} at {named.claim.home}"
            raise RejectedRecordError("team_not_in_game", f"game {who.game_id} is {teams}, the row has {who.team}")
        place = "at home to" if who.home else "at"
        raise RejectedRecordError("no_such_game", f"no game {who.team} {place} {who.opponent} on {day}")
    if who.game_id and game.claim.game_id and who.game_id != game.claim.game_id:
        raise RejectedRecordError("wrong_game", f"the row has game id {who.game_id}, the game is {game.game_id}")
    periods = game.claim.periods
    overtimes = _MOST_OVERTIMES if periods is None else max(periods - 4, 0)
    if line.minutes > (most := _REGULATION_MINUTES + _OVERTIME_MINUTES * overtimes):
        raise RejectedRecordError("impossible_value", f"{line.minutes:g} minutes, a game had at most {most}")
    return game


def _naming_order(placed: _Placed) -> tuple[str, int, str, str]:
    """Order rows so that names are given the same way whatever order the source has them in."""
    line = placed[0]
    source_id = line.who.source_id or ""
    return plain_name(line.who.name), len(source_id), source_id, line.who.team


def _choose(rows: list[_Placed], outcome: Normalised) -> _Placed:
    if len(rows) == 1:
        return rows[0]
    ordered = sorted(rows, key=lambda row: (_RANK[row[0].record.shape], -row[0].minutes, -row[0].counts[0]))
    best, game, lookup = ordered[0]
    for line, other_game, _ in ordered[1:]:
        if other_game is not game:
            message = f"the player has a row in game {game.game_id} that day as well ({best.record.origin})"
            outcome.quarantined.append(Quarantined(line.record, "second_row", message))
        elif line.record.shape != best.record.shape:
            outcome.set_aside["superseded"] += 1
        elif line.statistics == best.statistics:
            outcome.set_aside["duplicates"] += 1
        else:
            message = f"differs from the player's row at {best.record.origin}, which has more minutes or comes first"
            outcome.quarantined.append(Quarantined(line.record, "second_row", message))
    return best, game, lookup


def _without_strays(rows: list[_Placed], outcome: Normalised) -> list[_Placed]:
    """Put rows from logs aside that a whole box score of their team does not have."""
    minutes: defaultdict[tuple[str, str], float] = defaultdict(float)
    for line, game, _ in rows:
        if SHAPES[line.record.shape].full_box_score:
            minutes[game.game_id, line.who.team] += line.minutes
    kept = []
    for row in rows:
        line, game, _ = row
        whole = minutes[game.game_id, line.who.team] >= _FULL_TEAM_MINUTES
        if whole and not SHAPES[line.record.shape].full_box_score:
            message = f"the box score of {line.who.team} in game {game.game_id} is whole without this player"
            outcome.quarantined.append(Quarantined(line.record, "not_in_box_score", message))
        else:
            kept.append(row)
    return kept


def _row(day: date, line: PlayerLine, game: Game, lookup: str) -> tuple[Any, ...]:
    who = line.who
    return (
        day,
        game.game_id,
        lookup,
        who.name,
        who.team,
        who.opponent,
        who.home,
        line.minutes,
        *line.counts,
        *line.extras,
        line.record.shape,
        who.source_id,
    )
