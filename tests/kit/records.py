"""Raw records as the sources write them, to be spoilt by tests."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from nbactl.pipeline.sources.base import RawRecord

DAY: Final = date(2024, 1, 15)
GAME_ID: Final = "0022300559"


def log_payload(**changes: Any) -> dict[str, Any]:
    """Return a player's row of a game log; changes are by column."""
    return {
        "GAME_ID": GAME_ID,
        "GAME_DATE": "2024-01-15",
        "PLAYER_ID": "1629027",
        "PLAYER_NAME": "Trae Young",
        "MATCHUP": "ATL vs. SAS",
        "WL": "W",
        "MIN": "35",
        "FGM": "12",
        "FGA": "27",
        "FG3M": "4",
        "FG3A": "10",
        "FTM": "8",
        "FTA": "9",
        "OREB": "1",
        "DREB": "2",
        "REB": "3",
        "AST": "6",
        "STL": "2",
        "BLK": "0",
        "TOV": "4",
        "PF": "1",
        "PTS": "36",
        "PLUS_MINUS": "11",
        **changes,
    }


def log(line: int = 2, /, **changes: Any) -> RawRecord:
    """Return a record of a game log at `logs.csv:LINE`."""
    return RawRecord("player_boxscores", DAY, "player_game_log", f"logs.csv:{line}", log_payload(**changes))


def nbac(line: int = 0, /, **changes: Any) -> RawRecord:
    """Return the same row out of a box score of the league."""
    origin = f"box.json:resultSets[0].rowSet[{line}]"
    return RawRecord("player_boxscores", DAY, "nbac", origin, log_payload(**changes))


def game_payload(**changes: Any) -> dict[str, Any]:
    """Return a row of a game file."""
    return {
        "GAME_ID": "22300559",
        "GAME_DATE": "2024-01-15",
        "HOMETEAMNAME": "Atlanta Hawks",
        "HOMESCORE": "109",
        "SEASON_TYPE": "Regular Season",
        "AWAYTEAMNAME": "San Antonio Spurs",
        "AWAYSCORE": "99",
        "HOME_WIN": "1",
        "SEASON": "2023-24",
        **changes,
    }


def game(line: int = 2, /, **changes: Any) -> RawRecord:
    """Return a record of a game file at `games.csv:LINE`."""
    return RawRecord("schedule", DAY, "game", f"games.csv:{line}", game_payload(**changes))


def bdl_payload(**changes: Any) -> dict[str, Any]:
    """Return a player of a balldontlie box score; changes are by column of his row."""
    return {
        "game": {
            "date": "2024-01-15",
            "season": 2023,
            "status": "Final",
            "period": 4,
            "postseason": False,
            "home_team_score": 109,
            "visitor_team_score": 99,
            "home_team": {"abbreviation": "ATL", "full_name": "Atlanta Hawks"},
            "visitor_team": {"abbreviation": "SAS", "full_name": "San Antonio Spurs"},
        },
        "side": "home_team",
        "row": {
            "min": "35",
            "fgm": 12,
            "fga": 27,
            "fg3m": 4,
            "fg3a": 10,
            "ftm": 8,
            "fta": 9,
            "oreb": 1,
            "dreb": 2,
            "reb": 3,
            "ast": 6,
            "stl": 2,
            "blk": 0,
            "turnover": 4,
            "pf": 1,
            "pts": 36,
            "player": {"id": 490, "first_name": "Trae", "last_name": "Young"},
            **changes,
        },
    }


def bdl(seat: int = 0, /, **changes: Any) -> RawRecord:
    """Return a record of a balldontlie box score."""
    origin = f"bdl.json:data[0].home_team.players[{seat}]"
    return RawRecord("player_boxscores", DAY, "bdl", origin, bdl_payload(**changes))
