"""The players' box scores of a date: one row per player who was on court, from every record that speaks of him."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.lines import COUNTS, EXTRAS, SHAPES, PlayerLine, read_line
from nbactl.pipeline.lookup import plain_name
from nbactl.pipeline.normalised import Normalised
from nbactl.pipeline.quarantine import Quarantined, RejectedRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.games import Game
    from nbactl.pipeline.lookup import Lookups
    from nbactl.pipeline.sources.base import RawRecord

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
            placed.append((line, _game_of(line, games), ""))
        except RejectedRecordError as error:
            outcome.quarantined.append(Quarantined(line.record, error.reason, error.message))
    by_player: defaultdict[str, list[_Placed]] = defaultdict(list)
    for line, game, _ in sorted(placed, key=_naming_order):
        lookup = lookups.assign(line.who.name, line.who.team, line.who.source_id, day)
        by_player[lookup].append((line, game, lookup))
    chosen = [_choose(rows, outcome) for rows in by_player.values()]
    kept = _without_strays(chosen, outcome)
    outcome.rows = sorted(_row(day, *row) for row in kept)
    return outcome


def _lines(records: Iterable[RawRecord], day: date, outcome: Normalised) -> Iterable[PlayerLine]:
    for record in records:
        try:
            line = read_line(record, day)
        except RejectedRecordError as error:
            outcome.quarantined.append(Quarantined(record, error.reason, error.message))
            continue
        if line is None:
            outcome.set_aside["dnp"] += 1
        else:
            yield line


def _game_of(line: PlayerLine, games: Mapping[tuple[str, str], Game]) -> Game:
    who = line.who
    game = games.get((who.opponent, who.team) if who.home else (who.team, who.opponent))
    if game is None:
        named = next((game for game in games.values() if who.game_id and game.game_id == who.game_id), None)
        if named is not None:
            teams = f"{named.claim.away} at {named.claim.home}"
            raise RejectedRecordError("team_not_in_game", f"game {who.game_id} is {teams}, the row has {who.team}")
        place = "at home to" if who.home else "at"
        raise RejectedRecordError("no_such_game", f"{who.team} {place} {who.opponent} is no game of {who.day}")
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
