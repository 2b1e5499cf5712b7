"""Filters on a clustering column that leave no block out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule, Spot
from nbactl.checks.sql.rules._tables import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.statement import Statement


def _statements(statement: Statement) -> Iterator[Spot]:
    from nbactl.checks.sql.statement import place_of  # noqa: PLC0415 - brings the parser

    for read, column, around in statement.facts.wrapped:
        message = f"{named(read)} is clustered by {column.name}, which prunes nothing inside of an expression"
        yield Spot(place_of(around), message, read.table.name)


RULE: Final = Rule(
    name="clustering-wrapped",
    severity="warning",
    summary="A filter has a clustering column inside of a function.",
    why=(
        "BigQuery leaves blocks out only for conditions that compare a clustering column itself with a constant "
        "(https://cloud.google.com/bigquery/docs/querying-clustered-tables#best_practices)."
    ),
    fix="Compare the column itself: store it as it is compared, or apply the function to the constant.",
    bad=(
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day AND LOWER(game_id) = 'x'\n",
        "SELECT g.season FROM nba_raw.games AS g WHERE g.game_date = @day AND CAST(g.game_id AS INT64) = 5\n",
        "SELECT points FROM nba_raw.player_boxscores WHERE game_date = @day AND CONCAT(player_lookup, team_abbr) IN ('a', 'b')\n",
    ),
    good=(
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day AND game_id = LOWER(@id)\n",
        "SELECT LOWER(game_id) FROM nba_raw.games WHERE game_date = @day\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day AND LOWER(season) = 'x'\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day AND game_id LIKE 'x%'\n",
    ),
    statements=_statements,
    in_tests=False,
)
