"""What a game date lacks for the day to be over, in words for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline import boxscores, games

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OVER: Final = ("final", "postponed", "cancelled", "forfeited")
"""The states of a game from which nothing more is to come on its date."""


def games_to_come(_: object, rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return a phrase for each row of nba_raw.games that may still change: `0022400551 LAL at MIA is not over`."""
    return [
        f"{_name(game)} is not over" if game["game_status"] == "scheduled" else f"{_name(game)} is {_plain(game)}"
        for game in _records(games.COLUMNS, rows)
        if game["game_status"] not in _OVER
    ]


def teams_without_players(schedule: Iterable[tuple[Any, ...]], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return a phrase for each final game without player rows of both teams."""
    there = {(row["game_id"], row["team_abbr"]) for row in _records(boxscores.COLUMNS, rows)}
    lacking = []
    for game in _records(games.COLUMNS, schedule):
        teams = [
            team for team in (game["away_team_abbr"], game["home_team_abbr"]) if (game["game_id"], team) not in there
        ]
        if game["game_status"] == "final" and teams:
            lacking.append(f"{_name(game)} has no player rows of {' and '.join(teams)}")
    return lacking


def _records(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    return (dict(zip(columns, row, strict=True)) for row in rows)


def _name(game: dict[str, Any]) -> str:
    return f"{game['game_id']} {game['away_team_abbr']} at {game['home_team_abbr']}"


def _plain(game: dict[str, Any]) -> str:
    status = str(game["game_status"])
    return {"in_progress": "in progress", "unknown": "in an unknown state"}.get(status, status)
