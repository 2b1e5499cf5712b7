"""A folder of players' game logs of a small made-up league, and `nbactl` worked on it in this process."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from nbactl.bootstrap import Container
from nbactl.cli.run.command import run
from nbactl.cli.status.command import read_board
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.workflows.model import RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.workflows.board import Board
    from nbactl.workflows.model import RunReport

_COLUMNS = (
    "SEASON_ID,PLAYER_ID,PLAYER_NAME,GAME_ID,GAME_DATE,MATCHUP,WL,MIN,FGM,FGA,FG3M,FG3A,FTM,FTA,OREB,DREB,REB,AST,STL,"
    "BLK,TOV,PF,PTS,PLUS_MINUS"
)
TEAMS = ("CHI", "DET")
PLAYERS = 5
"""Players of each team, each of whom plays 48 minutes."""


class League:
    """One game between two teams on each date of `points`, which every player of the date scores."""

    def __init__(self, folder: Path, points: Mapping[date, int]) -> None:
        self.folder = folder / "source"
        self.folder.mkdir(parents=True)
        self.state = folder / "state"
        self.points = dict(points)
        self.minutes: dict[date, str] = {}
        self.unplayed: set[date] = set()
        """Dates whose game is in the schedule, without a score and without players' lines."""
        self._kept = folder.with_name(f"{folder.name} as kept")
        self._kept_points: dict[date, int] = {}
        self.write()

    def keep(self) -> None:
        """Remember the source and the state for `restore`: tests of a module begin where a run of all of them ended."""
        shutil.copytree(self.folder.parent, self._kept)
        self._kept_points = dict(self.points)

    def restore(self) -> League:
        """Return this league as it was kept, in the same folder: a source is known by its path."""
        shutil.rmtree(self.folder.parent)
        shutil.copytree(self._kept, self.folder.parent)
        self.points = dict(self._kept_points)
        self.minutes.clear()
        self.unplayed.clear()
        return self

    def write(self) -> None:
        """Write the logs as they are to be now."""
        lines = [_COLUMNS]
        games = ["GAME_ID,GAME_DATE,hometeamName,homeScore,awayteamName,awayScore,season_type"]
        for number, (day, points) in enumerate(sorted(self.points.items())):
            score = [PLAYERS * (2 * (points // 2) + points % 2 + extra) for extra in (2, 0)]
            home, away = ("", "") if day in self.unplayed else score
            games.append(f"00224{number:05},{day},Chicago Bulls,{home},Detroit Pistons,{away},Regular Season")
            for side, team in enumerate(() if day in self.unplayed else TEAMS):
                at = f"{TEAMS[0]} vs. {TEAMS[1]}" if side == 0 else f"{TEAMS[1]} @ {TEAMS[0]}"
                for player in range(PLAYERS):
                    # The home team makes one more free throw a player.
                    free = points % 2 + (2 if side == 0 else 0)
                    made = points // 2
                    values = [
                        "22024",
                        str(1000 + 100 * side + player),
                        f"Sample {team} {'ABCDE'[player]}",
                        f"00224{number:05}",
                        day.isoformat(),
                        at,
                        "WL"[side],
                        self.minutes.get(day, "48"),
                        *map(str, (made, made + 8, 0, 2, free, free, 1, 4, 5, 4, 1, 0, 2, 2, 2 * made + free, 0)),
                    ]
                    lines.append(",".join(values))
        (self.folder / "logs.csv").write_text("\n".join(lines) + "\n")
        (self.folder / "games.csv").write_text("\n".join(games) + "\n")

    def open(self, state: str = "state") -> Container:
        given = {"state_dir": str(self.state.with_name(state)), "source": f"path:{self.folder}"}
        return Container(load_settings(given, {}, self.folder))

    def run(self, *names: str, days: Sequence[date], state: str = "state", **request: Any) -> RunReport:
        with self.open(state) as app:
            return run(app, RunRequest(names, tuple(GameDate(day) for day in days), **request))

    def board(self, day: date) -> Board:
        with self.open() as app:
            return read_board(app, day.isoformat())

    def rows(self, sql: str, state: str = "state") -> list[dict[str, Any]]:
        with self.open(state) as app:
            return app.warehouse.query(sql, {}, timeout=30.0).dicts()
