"""The statistics of real games computed in plain Python from the files as they are, without the pipeline."""

from __future__ import annotations

import csv
import gzip
import json
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOGS: Final = {"points": "PTS", "rebounds": "REB", "assists": "AST", "steals": "STL", "blocks": "BLK"} | {
    "turnovers": "TOV", "fg_made": "FGM", "fg_attempted": "FGA", "three_made": "FG3M", "three_attempted": "FG3A",
    "ft_made": "FTM", "ft_attempted": "FTA", "minutes": "MIN",
}  # fmt: skip
_BDL: Final = {"points": "pts", "rebounds": "reb", "assists": "ast", "steals": "stl", "blocks": "blk"} | {
    "turnovers": "turnover", "fg_made": "fgm", "fg_attempted": "fga", "three_made": "fg3m", "three_attempted": "fg3a",
    "ft_made": "ftm", "ft_attempted": "fta", "minutes": "min",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Played:
    """A player in a game."""

    day: date
    season: str
    name: str
    team: str
    opponent: str
    stats: dict[str, int]

    @property
    def plays(self) -> float:
        return self.stats["fg_attempted"] + 0.44 * self.stats["ft_attempted"] + self.stats["turnovers"]

    @property
    def true_shooting(self) -> float | None:
        shots = 2 * (self.stats["fg_attempted"] + 0.44 * self.stats["ft_attempted"])
        return self.stats["points"] / shots if shots else None

    @property
    def effective_field_goals(self) -> float | None:
        attempts = self.stats["fg_attempted"]
        return (self.stats["fg_made"] + 0.5 * self.stats["three_made"]) / attempts if attempts else None


def plain(name: str) -> str:
    """Return a name without accents, case, spaces and punctuation."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in ascii_only.lower() if letter.isalnum())


def read_played(folder: Path) -> list[Played]:
    """Return every player's games; a full box score goes before the log of the same game."""
    found: dict[tuple[date, str], Played] = {}
    for played in (*_logs(folder), *_nbac(folder), *_bdl(folder)):
        found[played.day, plain(played.name)] = played
    return sorted(found.values(), key=lambda played: played.day)


def read_scores(folder: Path) -> dict[tuple[date, int], int]:
    """Return the points of each side by date, and how often that score occurs."""
    scores: dict[tuple[date, int], int] = {}
    with gzip.open(folder / "games_2023-25.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for side in ("homeScore", "awayScore"):
                key = date.fromisoformat(row["GAME_DATE"]), int(row[side])
                scores[key] = scores.get(key, 0) + 1
    return scores


def _logs(folder: Path) -> Iterator[Played]:
    for path in sorted(folder.glob("player_game_logs_*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield _from_log(row)


def _nbac(folder: Path) -> Iterator[Played]:
    (result,) = _json(folder / "nbac_player_boxscore_2025-03-15.json.gz")["resultSets"]
    for row in result["rowSet"]:
        yield _from_log(dict(zip(result["headers"], row, strict=True)) | {"SEASON": "2024-25"})


def _from_log(row: dict[str, Any]) -> Played:
    team, _, opponent = row["MATCHUP"].replace("vs.", "@").partition(" @ ")
    stats = {name: int(float(row[column])) for name, column in _LOGS.items()}
    return Played(date.fromisoformat(row["GAME_DATE"]), row["SEASON"], row["PLAYER_NAME"], team, opponent, stats)


def _bdl(folder: Path) -> Iterator[Played]:
    for game in _json(folder / "bdl_box_scores_2024-01-15.json.gz")["data"]:
        for own, other in (("home_team", "visitor_team"), ("visitor_team", "home_team")):
            team, opponent = game[own]["abbreviation"], game[other]["abbreviation"]
            for player in game[own]["players"]:
                if player["min"] != "00":
                    name = f"{player['player']['first_name']} {player['player']['last_name']}"
                    stats = {stat: int(player[column]) for stat, column in _BDL.items()}
                    yield Played(date.fromisoformat(game["date"]), "2023-24", name, team, opponent, stats)


def _json(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content
