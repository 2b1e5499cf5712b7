"""All columns of a wide table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule, Spot
from nbactl.checks.sql.rules._tables import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.statement import Statement

WIDE: Final = 20
"""Columns from which a table is wide."""


def _statements(statement: Statement) -> Iterator[Spot]:
    from nbactl.checks.sql.statement import place_of  # noqa: PLC0415 - brings the parser

    if not statement.is_query:
        return
    for read in dict.fromkeys(statement.facts.whole):
        if len(read.table.columns) >= WIDE and not read.excused:
            message = (
                f"SELECT * reads all {len(read.table.columns)} columns of {named(read)}; name those that are needed"
            )
            yield Spot(place_of(read.node), message, read.table.name)


RULE: Final = Rule(
    name="select-star-wide",
    severity="warning",
    summary=f"SELECT * returns all columns of a table that has {WIDE} or more.",
    why=(
        "BigQuery bills the columns that are read, and LIMIT does not change that "
        "(https://cloud.google.com/bigquery/docs/best-practices-costs#avoid-select-star). A column that is added later "
        "appears in the result without anybody having asked for it."
    ),
    fix="Name the columns, or leave the large ones out with SELECT * EXCEPT (…).",
    bad=(
        "SELECT * FROM nba_raw.player_boxscores WHERE game_date = @day\n",
        "SELECT b.* FROM nba_raw.player_boxscores AS b JOIN nba_raw.games AS g USING (game_id, game_date) WHERE b.game_date = @day\n",
        "WITH rows_of_day AS (SELECT * FROM nba_raw.player_boxscores WHERE game_date = @day) SELECT * FROM rows_of_day\n",
    ),
    good=(
        "SELECT points FROM nba_raw.player_boxscores WHERE game_date = @day\n",
        "SELECT points FROM (SELECT * FROM nba_raw.player_boxscores) WHERE game_date = @day\n",
        "SELECT * EXCEPT (source) FROM nba_raw.player_boxscores WHERE game_date = @day\n",
        "SELECT COUNT(*) FROM nba_raw.player_boxscores WHERE game_date = @day\n",
        "SELECT * FROM nba_raw.games WHERE game_date = @day\n",
        "INSERT INTO staging.copy SELECT * FROM nba_raw.player_boxscores WHERE game_date = @day\n",
    ),
    statements=_statements,
    in_tests=False,
)
