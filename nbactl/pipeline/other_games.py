"""Games that are not between two of the thirty teams. They are set aside and counted; the source has no fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.pipeline import values
from nbactl.pipeline.season import is_before_opening
from nbactl.pipeline.teams import team_abbr

if TYPE_CHECKING:
    from datetime import date

OtherGame = Literal["all_star", "undetermined_teams", "foreign_club", "other_league", "other_teams"]

_ALL_STAR_ID: Final = "003"
_PRESEASON_ID: Final = "001"
_UNDETERMINED: Final = frozenset(
    {"tbd", "tba", "tbc", "tobedetermined", "tobeannounced", "undetermined", "unknown", "na", "winner", "loser"}
)


class OtherGameError(Exception):
    """A record of a game that is set aside."""

    def __init__(self, kind: OtherGame, what: str) -> None:
        super().__init__(f"{kind.replace('_', ' ')}: {what}")
        self.kind = kind
        self.what = what


def refuse_other_game(
    game_id: Any,  # noqa: ANN401 - raw input
    teams: tuple[Any, Any],
    day: date,
    *,
    season_type: str | None = None,
    over: bool = True,
) -> None:
    """Raise OtherGameError for a game of the All-Star weekend, of another league, of teams to come or foreign clubs.

    `teams` are as the source writes them, `season_type` as it states it, or None. A team that is not known in a game
    that counts is a fault, and is left to the reader of the record; so is one without a name in a game that is `over`.
    """
    league_id = values.league_id(game_id, day)
    what = " and ".join(str(team or "no name") for team in teams)
    if (league_id or "").startswith(_ALL_STAR_ID) or season_type == "all_star":
        raise OtherGameError("all_star", what)
    if league_id is None and values.is_id_of_other_league(game_id):
        raise OtherGameError("other_league", what)
    if any(_undetermined(team, over=over) for team in teams):
        raise OtherGameError("undetermined_teams", what)
    unknown = [team for team in teams if isinstance(team, str) and team.strip() and team_abbr(team) is None]
    if not unknown or not all(isinstance(team, str) and team.strip() for team in teams):
        return
    kind = (league_id or "")[:3]
    preseason = season_type == "preseason" or is_before_opening(day)
    if kind == _PRESEASON_ID or (not kind and preseason):
        raise OtherGameError("foreign_club", what)
    if not kind and len(unknown) == len(teams):
        raise OtherGameError("other_teams", what)


def _undetermined(team: Any, *, over: bool) -> bool:  # noqa: ANN401 - raw input
    if team is None or (isinstance(team, str) and not team.strip()):
        return not over
    return isinstance(team, str) and "".join(filter(str.isalnum, team.casefold())) in _UNDETERMINED
