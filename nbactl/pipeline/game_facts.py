"""What a raw record says of a game, shape by shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline import values
from nbactl.pipeline.dates import states_day
from nbactl.pipeline.other_games import refuse_other_game
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.season import is_before_opening, season_name, stated_season
from nbactl.pipeline.status import periods_of, read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from nbactl.pipeline.sources.base import RawRecord
    from nbactl.pipeline.status import GameStatus

    Payload = Mapping[str, Any]

_SEASON_TYPES: Final = {
    "regularseason": "regular",
    "regular": "regular",
    "playoffs": "playoffs",
    "playoff": "playoffs",
    "postseason": "playoffs",
    "playin": "play_in",
    "playintournament": "play_in",
    "preseason": "preseason",
    "cup": "cup",
    "nbacup": "cup",
    "ist": "cup",
    "inseasontournament": "cup",
    "allstar": "all_star",
    "allstargame": "all_star",
}
_SEASON_TYPE_OF_ID: Final = {
    "001": "preseason",
    "002": "regular",
    "003": "all_star",
    "004": "playoffs",
    "005": "play_in",
    "006": "cup",
}


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
    stated_status: GameStatus | None = None
    """None where the source says nothing of it."""
    status_text: str | None = None
    """The state in the source's own words."""
    appearances: bool = False
    """Whether players' rows are what is known of it: without a word on its state it is over."""
    periods: int | None = None
    tipoff_at: datetime | None = None

    @property
    def status(self) -> GameStatus:
        """The state of the game."""
        return self.stated_status or ("final" if self.appearances else "scheduled")

    @property
    def final(self) -> bool:
        """Whether the game was played to its end."""
        return self.status == "final"

    @property
    def score(self) -> tuple[int, int] | None:
        """Home and away points, where both are known and the game is over."""
        if not self.final or self.home_points is None or self.away_points is None:
            return None
        return self.home_points, self.away_points


@dataclass(frozen=True, slots=True)
class GameShape:
    """Where a shape has its game id, teams, season type and date, and how the rest is read."""

    read: Callable[[Payload], GameFacts]
    game_id: Callable[[Payload], Any]
    teams: Callable[[Payload], tuple[Any, Any]]
    season_type: Callable[[Payload], Any]
    date: Callable[[Payload], Any]
    over: Callable[[Payload], bool]


def read_game_facts(record: RawRecord, day: date) -> GameFacts:
    """Return what the record says. Raises RejectedRecordError, or OtherGameError for a game that is set aside."""
    shape = SHAPES.get(record.shape)
    if shape is None:
        raise RejectedRecordError("bad_value", f"a record of shape '{record.shape}' does not describe a game")
    payload = record.payload
    if not states_day(stated := shape.date(payload), day):
        raise RejectedRecordError("wrong_date", f"the record says {stated}, it was collected for {day}")
    season_type = season_type_of(shape.season_type(payload))
    refuse_other_game(
        shape.game_id(payload), shape.teams(payload), day, season_type=season_type, over=shape.over(payload)
    )
    claim = shape.read(payload)
    if record.shape != "sample":
        game_id = values.league_id(claim.game_id, day)
        of_date = "preseason" if is_before_opening(day) and game_id is None else claim.season_type
        claim = replace(
            claim,
            game_id=game_id,
            season_type=_SEASON_TYPE_OF_ID.get((game_id or "")[:3]) or season_type or of_date,
        )
    if claim.home == claim.away:
        raise RejectedRecordError("impossible_value", f"{claim.home} plays against itself")
    if claim.score is not None and claim.home_points == claim.away_points:
        raise RejectedRecordError("impossible_value", f"a final score of {claim.home_points} to {claim.away_points}")
    return claim


def season_type_of(value: Any) -> str | None:  # noqa: ANN401 - raw input
    """Return the season type that a source states, or None for a word that is not known."""
    return _SEASON_TYPES.get("".join(letter for letter in str(value or "").lower() if letter.isalpha()))


def matchup(value: Any) -> tuple[str, str, bool]:  # noqa: ANN401 - raw input
    """Return (team, opponent, whether the team is at home) of `BOS vs. CHA` or `BOS @ NYK`."""
    return _matchup(values.text(value, "matchup"))


@lru_cache(maxsize=4096)
def _matchup(given: str) -> tuple[str, str, bool]:
    parts = teams_of_matchup(given)
    if parts is None:
        raise RejectedRecordError("bad_value", f"matchup is '{given}', neither 'AAA vs. BBB' nor 'AAA @ BBB'")
    one, other, home = parts
    return values.team(one), values.team(other, "opponent"), home


def teams_of_matchup(value: Any) -> tuple[str, str, bool] | None:  # noqa: ANN401 - raw input
    """Return the two teams of a matchup as they are written, and whether the first is at home; None for other text."""
    for separator, home in ((" vs. ", True), (" @ ", False), (" vs ", True)):
        one, found, other = str(value).partition(separator)
        if found:
            return one.strip(), other.strip(), home
    return None


def _points(value: Any, name: str) -> int | None:  # noqa: ANN401 - raw input
    return None if value in (None, "") else values.count(value, name)


def _sample(payload: Payload) -> GameFacts:
    return GameFacts(
        values.team(payload.get("home_team"), "home team"),
        values.team(payload.get("away_team"), "away team"),
        values.text(payload.get("game_id"), "game id"),
        values.text_or_none(payload.get("season"), "season"),
        season_type_of(payload.get("season_type")),
        _points(payload.get("home_points"), "home points"),
        _points(payload.get("away_points"), "away points"),
        read_status(payload.get("status")),
        periods=_points(payload.get("periods"), "periods"),
        tipoff_at=values.instant_or_none(payload.get("tipoff_at"), "tip-off"),
    )


def _game_file(payload: Payload) -> GameFacts:
    home_points = _points(payload.get("HOMESCORE"), "homeScore")
    away_points = _points(payload.get("AWAYSCORE"), "awayScore")
    text = _first(payload, "GAME_STATUS_TEXT", "GAMESTATUSTEXT", "STATUS", "GAME_STATUS")
    number, state = _first(payload, "GAME_STATUS_ID", "GAMESTATUS"), payload.get("STATUS_STATE")
    stated = None if text is number is state is None else read_status(text, number=number, state=state)
    if stated in (None, "unknown") and home_points and away_points:
        stated = "final"
    return GameFacts(
        values.team(payload.get("HOMETEAMNAME"), "home team"),
        values.team(payload.get("AWAYTEAMNAME"), "away team"),
        payload.get("GAME_ID"),
        stated_season(payload.get("SEASON")),
        None,
        home_points,
        away_points,
        stated,
        _text(text),
        periods=periods_of(text, None) if stated == "final" else None,
    )


def _text(value: Any) -> str | None:  # noqa: ANN401 - raw input
    return None if value in (None, "") else str(value)


def _first(payload: Payload, *columns: str) -> Any:  # noqa: ANN401 - raw input
    return next((value for column in columns if (value := payload.get(column)) not in (None, "")), None)


def _scoreboard(payload: Payload) -> GameFacts:
    game = payload["game"]
    text = game.get("gameStatusText")
    status = read_status(text, number=game.get("gameStatus"))
    final = status == "final"
    home, away = (_side(game, side) for side in ("homeTeam", "awayTeam"))
    return GameFacts(
        values.team(home.get("teamTricode"), "home team"),
        values.team(away.get("teamTricode"), "away team"),
        game.get("gameId"),
        home_points=_points(home.get("score"), "home score") if final else None,
        away_points=_points(away.get("score"), "away score") if final else None,
        stated_status=status,
        status_text=_text(text),
        periods=periods_of(text, _points(game.get("period"), "period")) if final else None,
        tipoff_at=values.instant_or_none(game.get("gameTimeUTC"), "gameTimeUTC"),
    )


def _bdl(payload: Payload) -> GameFacts:
    game = payload["game"]
    season = values.whole_or_none(game.get("season"), "season")
    status = read_status(game.get("status"), state=game.get("status_state"))
    final = status == "final"
    return GameFacts(
        bdl_team(game, "home_team"),
        bdl_team(game, "visitor_team"),
        season=season_name(season) if season else None,
        season_type="regular",
        home_points=_points(game.get("home_team_score"), "home team score") if final else None,
        away_points=_points(game.get("visitor_team_score"), "visitor team score") if final else None,
        stated_status=status,
        status_text=_text(game.get("status")),
        periods=periods_of(game.get("status"), _points(game.get("period"), "period")) if final else None,
        tipoff_at=values.instant_or_none(game.get("datetime"), "datetime"),
    )


def bdl_team(game: Payload, side: str) -> str:
    """Return the abbreviation of `home_team` or `visitor_team` of a balldontlie game."""
    return values.team(bdl_team_name(game, side), side.replace("_", " "))


def bdl_team_name(game: Payload, side: str) -> Any:  # noqa: ANN401 - raw input
    """Return what a balldontlie game calls `home_team` or `visitor_team`."""
    team = _side(game, side)
    return team.get("abbreviation") or team.get("full_name")


def _side(game: Payload, side: str) -> Payload:
    team = game.get(side)
    return team if isinstance(team, dict) else {}


def _game_log(payload: Payload) -> GameFacts:
    team, opponent, at_home = matchup(payload.get("MATCHUP"))
    home, away = (team, opponent) if at_home else (opponent, team)
    # A player's row is there once he has played; of the score it says nothing. Where there is a column for who won,
    # it is empty while the game is on.
    status: GameStatus | None = None
    if "WL" in payload:
        status = "final" if payload["WL"] else "in_progress"
    return GameFacts(home, away, payload.get("GAME_ID"), stated_status=status, appearances=True)


def log_teams(payload: Payload) -> tuple[Any, Any]:
    """Return the two teams of a row of a game log as it writes them."""
    parts = teams_of_matchup(payload.get("MATCHUP"))
    return parts[:2] if parts else ("", "")


def bdl_teams(payload: Payload) -> tuple[Any, Any]:
    """Return what a balldontlie game calls its two teams."""
    game = payload["game"]
    return bdl_team_name(game, "home_team"), bdl_team_name(game, "visitor_team")


def _always_over(_: Payload) -> bool:
    return True


_LOG: Final = GameShape(
    _game_log,
    lambda payload: payload.get("GAME_ID"),
    log_teams,
    lambda payload: payload.get("SEASON_TYPE"),
    lambda payload: payload.get("GAME_DATE"),
    _always_over,
)
SHAPES: Final[Mapping[str, GameShape]] = {
    "sample": GameShape(
        _sample,
        lambda _: None,
        lambda payload: (payload.get("home_team"), payload.get("away_team")),
        lambda payload: payload.get("season_type"),
        lambda payload: payload.get("game_date"),
        _always_over,
    ),
    "scoreboard": GameShape(
        _scoreboard,
        lambda payload: payload["game"].get("gameId"),
        lambda payload: (
            _side(payload["game"], "homeTeam").get("teamTricode"),
            _side(payload["game"], "awayTeam").get("teamTricode"),
        ),
        lambda _: None,
        lambda payload: payload.get("GAME_DATE"),
        lambda payload: read_status(None, number=payload["game"].get("gameStatus")) == "final",
    ),
    "game": GameShape(
        _game_file,
        lambda payload: payload.get("GAME_ID"),
        lambda payload: (payload.get("HOMETEAMNAME"), payload.get("AWAYTEAMNAME")),
        lambda payload: payload.get("SEASON_TYPE"),
        lambda payload: payload.get("GAME_DATE"),
        lambda payload: bool(_first(payload, "HOMESCORE") or _first(payload, "AWAYSCORE")),
    ),
    "bdl": GameShape(
        _bdl,
        lambda _: None,
        bdl_teams,
        lambda payload: "playoffs" if payload["game"].get("postseason") else None,
        lambda payload: payload["game"].get("date"),
        lambda payload: read_status(payload["game"].get("status")) == "final",
    ),
    "nbac": _LOG,
    "player_game_log": _LOG,
}
"""In order of precedence: the league's schedule, a box score, a game only known from players' logs."""
