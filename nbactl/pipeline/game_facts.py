"""What a raw record says of a game, shape by shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline import values
from nbactl.pipeline.quarantine import RejectedRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from nbactl.pipeline.sources.base import RawRecord

    Payload = Mapping[str, Any]

_SEASON_TYPES: Final = {
    "regularseason": "regular",
    "regular": "regular",
    "playoffs": "playoffs",
    "playin": "play_in",
    "preseason": "preseason",
}
_SEASON_TYPE_OF_ID: Final = {"001": "preseason", "002": "regular", "004": "playoffs", "005": "play_in"}


_FINAL: Final = 3
"""The league's number for a game that is over; 1 is to come, 2 is on."""


@dataclass(frozen=True, slots=True)
class GameFacts:
    """What one record, or several that agree, say of a game; `game_id` is the one the source gives."""

    home: str
    away: str
    game_id: str | None = None
    season: str | None = None
    season_type: str | None = None
    home_points: int | None = None
    away_points: int | None = None
    final: bool = False
    periods: int | None = None
    tipoff_at: datetime | None = None

    @property
    def score(self) -> tuple[int, int] | None:
        """Home and away points, where both are known and the game is over."""
        if not self.final or self.home_points is None or self.away_points is None:
            return None
        return self.home_points, self.away_points


def read_game_facts(record: RawRecord, day: date) -> GameFacts:
    """Return what the record says. Raises RejectedRecordError."""
    read = SHAPES.get(record.shape)
    if read is None:
        raise RejectedRecordError("bad_value", f"a record of shape '{record.shape}' does not describe a game")
    claim, stated = read(record.payload)
    if stated != day:
        raise RejectedRecordError("wrong_date", f"the record says {stated}, it was collected for {day}")
    if claim.home == claim.away:
        raise RejectedRecordError("impossible_value", f"{claim.home} plays against itself")
    if claim.score is not None and claim.home_points == claim.away_points:
        raise RejectedRecordError("impossible_value", f"a final score of {claim.home_points} to {claim.away_points}")
    return claim


def matchup(value: Any) -> tuple[str, str, bool]:  # noqa: ANN401 - raw input
    """Return (team, opponent, whether the team is at home) of `BOS vs. CHA` or `BOS @ NYK`."""
    return _matchup(values.text(value, "matchup"))


@lru_cache(maxsize=4096)
def _matchup(given: str) -> tuple[str, str, bool]:
    for separator, home in ((" vs. ", True), (" @ ", False), (" vs ", True)):
        one, found, other = given.partition(separator)
        if found:
            return values.team(one), values.team(other, "opponent"), home
    raise RejectedRecordError("bad_value", f"matchup is '{given}', neither 'AAA vs. BBB' nor 'AAA @ BBB'")


def _points(value: Any, name: str) -> int | None:  # noqa: ANN401 - raw input
    return None if value in (None, "") else values.count(value, name)


def _season_type(value: Any, game_id: str | None = None) -> str | None:  # noqa: ANN401 - raw input
    plain = "".join(letter for letter in str(value or "").lower() if letter.isalpha())
    return _SEASON_TYPES.get(plain) or _SEASON_TYPE_OF_ID.get((game_id or "")[:3])


def _sample(payload: Payload) -> tuple[GameFacts, date]:
    return GameFacts(
        values.team(payload.get("home_team"), "home team"),
        values.team(payload.get("away_team"), "away team"),
        values.text(payload.get("game_id"), "game id"),
        values.text_or_none(payload.get("season"), "season"),
        _season_type(payload.get("season_type")),
        _points(payload.get("home_points"), "home points"),
        _points(payload.get("away_points"), "away points"),
        final=payload.get("status") == "final",
        periods=_points(payload.get("periods"), "periods"),
        tipoff_at=values.instant_or_none(payload.get("tipoff_at"), "tip-off"),
    ), values.day_of(payload.get("game_date"))


def _game_file(payload: Payload) -> tuple[GameFacts, date]:
    game_id = values.league_id(payload.get("GAME_ID"))
    home_points = _points(payload.get("HOMESCORE"), "homeScore")
    away_points = _points(payload.get("AWAYSCORE"), "awayScore")
    return GameFacts(
        values.team(payload.get("HOMETEAMNAME"), "home team"),
        values.team(payload.get("AWAYTEAMNAME"), "away team"),
        game_id,
        values.text_or_none(payload.get("SEASON"), "season"),
        _season_type(payload.get("SEASON_TYPE"), game_id),
        home_points,
        away_points,
        final=bool(home_points and away_points),
    ), values.day_of(payload.get("GAME_DATE"))


def _scoreboard(payload: Payload) -> tuple[GameFacts, date]:
    game = payload["game"]
    game_id = values.league_id(game.get("gameId"))
    status = game.get("gameStatus")
    final = status == _FINAL
    home, away = (game.get(side) if isinstance(game.get(side), dict) else {} for side in ("homeTeam", "awayTeam"))
    return GameFacts(
        values.team(home.get("teamTricode"), "home team"),
        values.team(away.get("teamTricode"), "away team"),
        game_id,
        season_type=_season_type(None, game_id),
        home_points=_points(home.get("score"), "home score") if final else None,
        away_points=_points(away.get("score"), "away score") if final else None,
        final=final,
        periods=_points(game.get("period"), "period") if final else None,
        tipoff_at=values.instant_or_none(game.get("gameTimeUTC"), "gameTimeUTC"),
    ), values.day_of(payload.get("GAME_DATE"))


def _bdl(payload: Payload) -> tuple[GameFacts, date]:
    game = payload["game"]
    season = game.get("season")
    final = str(game.get("status", "")).lower() == "final"
    return GameFacts(
        bdl_team(game, "home_team"),
        bdl_team(game, "visitor_team"),
        season=f"{season}-{(season + 1) % 100:02}" if isinstance(season, int) else None,
        season_type="playoffs" if game.get("postseason") else "regular",
        home_points=_points(game.get("home_team_score"), "home team score") if final else None,
        away_points=_points(game.get("visitor_team_score"), "visitor team score") if final else None,
        final=final,
        periods=_points(game.get("period"), "period") if final else None,
        tipoff_at=values.instant_or_none(game.get("datetime"), "datetime"),
    ), values.day_of(game.get("date"))


def bdl_team(game: Payload, side: str) -> str:
    """Return the abbreviation of `home_team` or `visitor_team` of a balldontlie game."""
    team = game.get(side)
    name = team.get("abbreviation") or team.get("full_name") if isinstance(team, dict) else None
    return values.team(name, side.replace("_", " "))


def _game_log(payload: Payload) -> tuple[GameFacts, date]:
    team, opponent, at_home = matchup(payload.get("MATCHUP"))
    game_id = values.league_id(payload.get("GAME_ID"))
    home, away = (team, opponent) if at_home else (opponent, team)
    # A player's row is there once he has played; of the score it says nothing.
    return GameFacts(
        home, away, game_id, season_type=_season_type(None, game_id), final=bool(payload.get("WL"))
    ), values.day_of(payload.get("GAME_DATE"))


SHAPES: Final[Mapping[str, Callable[[Payload], tuple[GameFacts, date]]]] = {
    "sample": _sample,
    "scoreboard": _scoreboard,
    "game": _game_file,
    "bdl": _bdl,
    "nbac": _game_log,
    "player_game_log": _game_log,
}
"""In order of precedence: the league's schedule, a box score, a game only known from players' logs."""
