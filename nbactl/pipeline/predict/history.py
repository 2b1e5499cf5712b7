"""The inputs of a date's predictions: one query for all players."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.predict.model import MOST_GAMES, STATS, PastGame, PlayerInputs
from nbactl.pipeline.statements import table_sql, windows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.processor import ProcessorResources

STATEMENT: Final = "predict/inputs"
SOME_PLAYERS: Final = "SELECT * FROM (\n{}\n) WHERE player_lookup IN UNNEST(@players)"
_DOUBTED_LINES: Final = 100
"""So many player lines with the league's mean are added to what an opponent allowed; fitted as the model is."""


def load_inputs(
    resources: ProcessorResources,
    game_date: date,
    players: Collection[str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> dict[str, PlayerInputs]:
    """Return what is known of each player that the feature store has on the date, by `player_lookup`; one query.

    With `players` only of those. A player who never played has inputs without games. Of the date itself only the
    feature store is read, and nothing later. A date without games has no players.
    """
    if players is not None and not players:
        return {}
    resources.ensure_tables(*sorted(windows(STATEMENT)))
    sql = table_sql(STATEMENT)
    parameters: dict[str, Any] = {"game_date": game_date, "most_games": MOST_GAMES}
    if players is not None:
        sql = SOME_PLAYERS.format(sql)
        parameters["players"] = sorted(players)
    timeout = resources.timeouts["warehouse.query_large" if players is None else "warehouse.query"]
    found = resources.warehouse().query(sql, parameters, timeout=timeout, labels=labels)
    rows = sorted(found.dicts(), key=lambda row: (row["player_lookup"], row["recency"] or 0))
    return {
        player: _inputs(game_date, list(lines)) for player, lines in groupby(rows, lambda row: row["player_lookup"])
    }


def _inputs(game_date: date, lines: Sequence[Mapping[str, Any]]) -> PlayerInputs:
    first = lines[0]
    return PlayerInputs(
        player_lookup=first["player_lookup"],
        game_id=first["game_id"],
        game_date=game_date,
        team_abbr=first["team_abbr"],
        opponent_team_abbr=first["opponent_team_abbr"],
        rest_days=first["rest_days"],
        opponent_factors={stat: _allowed(first, stat) for stat in STATS},
        games=tuple(
            PastGame(line["played_on"], line["seconds"] / 60, line["points"], line["rebounds"], line["assists"])
            for line in lines
            if line["recency"] is not None
        ),
    )


def _allowed(row: Mapping[str, Any], stat: str) -> float:
    """Return how much the opponent allows of what players usually do, drawn towards 1 where its games are few."""
    lines, usual = row["opponent_lines"] or 0, (row[f"opponent_usual_{stat}"] or 0) / 1000
    if not usual:
        return 1.0
    return float(round(1 + (row[f"opponent_{stat}"] / usual - 1) * lines / (lines + _DOUBTED_LINES), 4))
