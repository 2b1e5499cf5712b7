"""Joins without a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.statement import Statement


def _statements(statement: Statement) -> Iterator[Spot]:
    from nbactl.checks.sql.statement import place_of  # noqa: PLC0415 - brings the parser

    for cross in statement.facts.crosses:
        message = f"every row of {cross.left} is joined with every row of {cross.right}"
        yield Spot(place_of(cross.node), message)


RULE: Final = Rule(
    name="cross-join",
    severity="warning",
    summary="Two tables are joined without a condition.",
    why=(
        "The result has as many rows as both tables multiplied "
        "(https://cloud.google.com/bigquery/docs/best-practices-performance-compute#avoid-cross-joins). A comma where a "
        "JOIN was meant is the usual cause."
    ),
    fix="Write JOIN with ON or USING. Where every combination is wanted, aggregate first, or ignore the finding.",
    bad=(
        "SELECT g.game_id FROM nba_raw.games AS g, staging.players AS p WHERE g.game_date = @day\n",
        "SELECT g.game_id FROM nba_raw.games AS g CROSS JOIN staging.players AS p WHERE g.game_date = @day\n",
        "SELECT g.game_id FROM nba_raw.games AS g JOIN staging.a AS a ON a.id = g.game_id, staging.b AS b WHERE g.game_date = @day\n",
    ),
    good=(
        "SELECT g.game_id FROM nba_raw.games AS g, staging.players AS p WHERE g.game_date = @day AND g.game_id = p.game_id\n",
        "SELECT g.game_id FROM nba_raw.games AS g, UNNEST(@ids) AS id WHERE g.game_date = @day\n",
        "SELECT t.id FROM staging.t AS t, t.items AS item\n",
        "SELECT g.game_id FROM nba_raw.games AS g CROSS JOIN (SELECT MAX(id) AS id FROM staging.t) AS m WHERE g.game_date = @day\n",
        "WITH bounds AS (SELECT @first AS low, @last AS high) SELECT game_id FROM nba_raw.games, bounds WHERE game_date = @day\n",
        "SELECT a.id FROM staging.a AS a JOIN staging.b AS b USING (id)\n",
        "SELECT a.id, r.result FROM staging.a AS a, AI.GENERATE(prompt => CONCAT('x', a.id)) AS r\n",
    ),
    statements=_statements,
    in_tests=False,
)
