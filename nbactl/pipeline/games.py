"""The games of a date, merged from every record that speaks of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.game_facts import SHAPES, GameFacts, read_game_facts
from nbactl.pipeline.other_games import OtherGameError
from nbactl.pipeline.quarantine import Normalised, Quarantined, RejectedRecordError
from nbactl.pipeline.season import season_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from nbactl.pipeline.sources.base import RawRecord
    from nbactl.pipeline.status import GameStatus

COLUMNS: Final = (
    "game_id",
    "game_date",
    "season",
    "season_type",
    "home_team_abbr",
    "away_team_abbr",
    "home_points",
    "away_points",
    "game_status",
    "periods",
    "tipoff_at",
    "source",
)
_RANK: Final = {shape: rank for rank, shape in enumerate(SHAPES)}


@dataclass(frozen=True, slots=True)
class Game:
    """A game of the date. `game_id` is the league's where it is known, else DATE-AWAY-HOME."""

    game_id: str
    claim: GameFacts


@dataclass(slots=True)
class GamesOfDay:
    """The games of a date by (away, home), and what became of the records."""

    games: dict[tuple[str, str], Game]
    outcome: Normalised


def games_of(day: date, records: Iterable[RawRecord], source: str) -> GamesOfDay:
    """Merge the schedule's records into games: two teams meet at most once a day.

    A shape of higher precedence wins, its gaps are filled in from the next; a record that
    contradicts one before it on id or score goes to quarantine.
    """
    ordered = sorted(records, key=lambda record: _RANK.get(record.shape, len(_RANK)))
    outcome = Normalised(len(ordered))
    claims: dict[tuple[str, str], GameFacts] = {}
    pair_of_id: dict[str, tuple[str, str]] = {}
    for record in ordered:
        try:
            claim = read_game_facts(record, day)
            pair = (claim.away, claim.home)
            _refuse_other_game(claim, pair_of_id.get(claim.game_id or "", pair))
            known = claims.get(pair)
            claims[pair] = claim = _merge(known, claim) if known else claim
        except RejectedRecordError as error:
            outcome.quarantined.append(Quarantined(record, error.reason, error.message))
            continue
        except OtherGameError as other:
            outcome.set_aside[other.kind] += 1
            if other.kind == "other_teams":
                outcome.warnings.append(f"{day}: the game of {other.what} is set aside: neither is one of the thirty")
            continue
        if known:
            outcome.set_aside["duplicates"] += 1
        if claim.game_id:
            pair_of_id[claim.game_id] = pair
    games = {pair: Game(claim.game_id or f"{day}-{pair[0]}-{pair[1]}", claim) for pair, claim in claims.items()}
    outcome.rows = [_row(game, day, source) for game in sorted(games.values(), key=lambda game: game.game_id)]
    return GamesOfDay(games, outcome)


def _refuse_other_game(claim: GameFacts, pair_with_this_id: tuple[str, str]) -> None:
    if pair_with_this_id != (claim.away, claim.home):
        away, home = pair_with_this_id
        raise RejectedRecordError("conflict", f"game id {claim.game_id} is also that of {away} at {home}")


def _merge(known: GameFacts, new: GameFacts) -> GameFacts:
    if new.game_id and known.game_id and new.game_id != known.game_id:
        raise RejectedRecordError("conflict", f"game id is {new.game_id} here and {known.game_id} elsewhere")
    if new.score and known.score and new.score != known.score:
        here, there = ("{} to {}".format(*score) for score in (new.score, known.score))
        raise RejectedRecordError(
            "conflict", f"the score of {known.home} and {known.away} is {here}, elsewhere {there}"
        )
    scored = known if known.score else new
    return replace(
        known,
        game_id=known.game_id or new.game_id,
        season=known.season or new.season,
        season_type=known.season_type or new.season_type,
        home_points=scored.home_points,
        away_points=scored.away_points,
        stated_status=_merged_status(known, new),
        status_text=known.status_text or new.status_text,
        appearances=known.appearances or new.appearances,
        periods=known.periods or new.periods,
        tipoff_at=known.tipoff_at or new.tipoff_at,
    )


def _merged_status(known: GameFacts, new: GameFacts) -> GameStatus | None:
    """Return the state that holds: over, if one says so; else the first that says something that can be read."""
    stated = [claim.stated_status for claim in (known, new) if claim.stated_status is not None]
    if "final" in stated:
        return "final"
    return next((status for status in stated if status != "unknown"), stated[0] if stated else None)


def _row(game: Game, day: date, source: str) -> tuple[Any, ...]:
    claim = game.claim
    home_points, away_points = claim.score or (None, None)
    return (
        game.game_id,
        day,
        season_of(claim.game_id, day, claim.season),
        claim.season_type,
        claim.home,
        claim.away,
        home_points,
        away_points,
        claim.status,
        claim.periods if claim.final else None,
        claim.tipoff_at,
        source,
    )
