"""Queries that today's date keeps from being answered by the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.statement import Statement


def _statements(statement: Statement) -> Iterator[Spot]:
    from nbactl.checks.sql.statement import place_of  # noqa: PLC0415 - brings the parser

    facts = statement.facts
    if statement.is_query and facts.reads_tables and facts.today:
        yield Spot(
            min(map(place_of, facts.today)), "CURRENT_DATE() keeps the cache from answering this query; bind the date"
        )


RULE: Final = Rule(
    name="current-date",
    severity="warning",
    summary="A query filters by CURRENT_DATE() where a bound date would be answered by the cache.",
    why=(
        "BigQuery does not cache the answer of a query with a function of the current time, so that each call is billed "
        "(https://cloud.google.com/bigquery/docs/cached-results#cache-exceptions). CURRENT_DATE() is also the date in "
        "UTC, which is tomorrow during most games."
    ),
    fix="Bind the date as a parameter: WHERE game_date = @game_date.",
    bad=(
        "SELECT game_id FROM nba_raw.games WHERE game_date = CURRENT_DATE()\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date >= DATE_SUB(CURRENT_DATE('America/New_York'), INTERVAL 7 DAY)\n",
        "WITH today AS (SELECT game_id FROM nba_raw.games WHERE game_date = CURRENT_DATE) SELECT game_id FROM today\n",
    ),
    good=(
        "SELECT game_id FROM nba_raw.games WHERE game_date = @game_date\n",
        "SELECT CURRENT_DATE()\n",
        "DELETE FROM nba_raw.games WHERE game_date < DATE_SUB(CURRENT_DATE(), INTERVAL 7 DAY)\n",
        "CREATE VIEW staging.today AS SELECT game_id FROM nba_raw.games WHERE game_date = CURRENT_DATE()\n",
    ),
    statements=_statements,
    in_tests=False,
)
