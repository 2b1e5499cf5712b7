"""A season small enough to work out by hand: four teams, five players each, seven games and a date to come.

Nearly everybody plays the same game every time, so that what differs stands out. The usual line: 48 minutes, 8 of 16
field goals, 2 of 6 threes, 2 of 2 free throws, so 20 points; 1 + 5 rebounds, 4 assists, 1 steal, 2 turnovers. Five of
them make a team of 100 points, 80 FGA, 10 FTA, 5 ORB, 25 DRB, 10 TOV, and 80 - 5 + 10 + 0.44 * 10 = 89.4 possessions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.kit.warehouse import Lab

LAST_SEASON: Final = date(2023, 4, 1)
PRESEASON: Final = date(2023, 10, 10)
OPENING: Final = date(2023, 11, 1)
SECOND: Final = date(2023, 11, 2)
OVERTIME: Final = date(2023, 11, 5)
TRADE: Final = date(2023, 11, 7)
COMING: Final = date(2023, 11, 8)
TEAMS: Final = ("ANT", "BEE", "CAT", "DOG")


@dataclass(frozen=True, slots=True)
class Line:
    """A player's box score."""

    minutes: float = 48.0
    fg: tuple[int, int] = (8, 16)
    three: tuple[int, int] = (2, 6)
    ft: tuple[int, int] = (2, 2)
    offensive_rebounds: int = 1
    defensive_rebounds: int = 5
    assists: int = 4
    turnovers: int = 2

    @property
    def points(self) -> int:
        return 2 * self.fg[0] + self.three[0] + self.ft[0]


USUAL: Final = Line()
HOT: Final = Line(fg=(12, 20), three=(4, 8), ft=(4, 5), turnovers=4)
"""2 * 12 + 4 + 4 = 32 points."""
TWO_MORE: Final = Line(fg=(9, 17))
"""22 points."""
NOTHING: Final = Line(
    fg=(0, 0), three=(0, 0), ft=(0, 0), offensive_rebounds=0, defensive_rebounds=0, assists=0, turnovers=0
)


@dataclass(frozen=True, slots=True)
class Game:
    """A game. `lines` names who did not play the usual game; `missing` are rows the source lacks."""

    day: date
    home: str
    away: str
    score: tuple[int, int] | None
    season: str = "2023-24"
    season_type: str = "regular"
    lines: tuple[tuple[str, Line], ...] = ()
    missing: tuple[str, ...] = ()
    swapped: tuple[tuple[str, str], ...] = ()
    minutes: float = 48.0
    status: str | None = None

    @property
    def game_id(self) -> str:
        return f"{self.day:%Y%m%d}-{self.away}-{self.home}"

    def game_row(self) -> dict[str, Any]:
        home_points, away_points = self.score or (None, None)
        return {
            "game_id": self.game_id,
            "game_date": self.day,
            "season": self.season,
            "season_type": self.season_type,
            "home_team_abbr": self.home,
            "away_team_abbr": self.away,
            "home_points": home_points,
            "away_points": away_points,
            "game_status": self.status or ("final" if self.score else "scheduled"),
            "source": "test",
        }

    def player_rows(self) -> list[dict[str, Any]]:
        if self.score is None and self.status != "final":
            return []
        swapped = dict(self.swapped)
        names = [(team, f"{team.lower()}{number}") for team in (self.home, self.away) for number in range(1, 6)]
        played = [(team, swapped.get(name, name)) for team, name in names]
        return [self.player_row(team, name) for team, name in played if name not in self.missing]

    def player_row(self, team: str, name: str) -> dict[str, Any]:
        line = dict(self.lines).get(name, replace(USUAL, minutes=self.minutes))
        return {
            "game_date": self.day,
            "game_id": self.game_id,
            "player_lookup": name,
            "player_name": name.title(),
            "team_abbr": team,
            "opponent_team_abbr": self.away if team == self.home else self.home,
            "home_game": team == self.home,
            "minutes": line.minutes,
            "points": line.points,
            "rebounds": line.offensive_rebounds + line.defensive_rebounds,
            "offensive_rebounds": line.offensive_rebounds,
            "defensive_rebounds": line.defensive_rebounds,
            "assists": line.assists,
            "steals": 1,
            "blocks": 0,
            "turnovers": line.turnovers,
            "personal_fouls": 2,
            "fg_made": line.fg[0],
            "fg_attempted": line.fg[1],
            "three_made": line.three[0],
            "three_attempted": line.three[1],
            "ft_made": line.ft[0],
            "ft_attempted": line.ft[1],
            "source": "test",
        }


GAMES: Final = (
    Game(LAST_SEASON, "ANT", "BEE", (112, 100), season="2022-23", lines=(("ant1", HOT),)),
    Game(PRESEASON, "ANT", "CAT", (112, 100), season_type="preseason", lines=(("ant1", HOT),)),
    Game(OPENING, "ANT", "BEE", (112, 100), lines=(("ant1", HOT),)),
    Game(OPENING, "CAT", "DOG", (80, 100), lines=(("cat1", NOTHING),)),
    Game(SECOND, "BEE", "CAT", (100, 95), missing=("cat4", "cat5")),
    Game(OVERTIME, "ANT", "CAT", (100, 102), minutes=53.0, lines=(("cat1", replace(TWO_MORE, minutes=53.0)),)),
    Game(OVERTIME, "DOG", "BEE", (102, 100), lines=(("dog1", TWO_MORE),)),
    Game(TRADE, "DOG", "CAT", (102, 100), lines=(("dog1", TWO_MORE),), swapped=(("dog5", "ant5"),)),
    Game(COMING, "DOG", "ANT", None),
    Game(COMING, "BEE", "CAT", None),
)
"""The source does not say how many periods were played; the game of 5 November that ANT lost had an overtime."""


def put(lab: Lab, games: Sequence[Game]) -> None:
    """Replace the raw partitions of the games' dates by these games."""
    days = sorted({game.day for game in games})
    lab.replace("nba_raw.games", days, [game.game_row() for game in games])
    lab.replace("nba_raw.player_boxscores", days, [row for game in games for row in game.player_rows()])
