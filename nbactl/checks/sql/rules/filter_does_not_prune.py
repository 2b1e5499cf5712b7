"""Filters on a partition column that leave no partition out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule, Spot
from nbactl.checks.sql.rules._tables import named, unfiltered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.statement import Statement


def _statements(statement: Statement) -> Iterator[Spot]:
    from nbactl.checks.sql.statement import place_of  # noqa: PLC0415 - brings the parser

    for read in unfiltered(statement):
        if read.useless:
            reason, node = read.useless[0]
            message = f"all partitions of {named(read)} are read, though {read.table.partition[0]} is named: {reason}"
            yield Spot(place_of(read.node if read.via else node), message, read.table.name)


RULE: Final = Rule(
    name="filter-does-not-prune",
    severity="error",
    summary="A filter names the partition column in a form that leaves no partition out.",
    why=(
        "BigQuery chooses partitions before the query runs, from conditions that compare the column itself with what is "
        "known then. Arithmetic on the column, a subquery, an OR with another column, and functions other than its day, "
        "hour or month read every partition "
        "(https://cloud.google.com/bigquery/docs/querying-partitioned-tables#best_practices_for_partition_pruning)."
    ),
    fix="Move functions and arithmetic to the other side; read the date first and bind it as a parameter or a variable.",
    bad=(
        "SELECT game_id FROM nba_raw.games WHERE FORMAT_DATE('%Y', game_date) = '2026'\n",
        "SELECT game_id FROM nba_raw.games WHERE EXTRACT(YEAR FROM game_date) = 2026\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = (SELECT MAX(day) FROM staging.days)\n",
        "SELECT game_id FROM nba_raw.games WHERE DATE_ADD(game_date, INTERVAL 1 DAY) >= @day\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date + INTERVAL 1 DAY >= @day\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day OR season = '2025-26'\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date IN (SELECT day FROM staging.days)\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date IS NOT NULL\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date != @day\n",
        "SELECT game_id FROM nba_raw.games WHERE CAST(game_date AS STRING) LIKE '2026-01%'\n",
        "SELECT game_id FROM nba_raw.games WHERE COALESCE(game_date, @day) = @day\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date > DATE(tipoff_at)\n",
        "SELECT game_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY game_id ORDER BY tipoff_at) AS n FROM nba_raw.games) WHERE n = 1 AND game_date = @day\n",
        "SELECT game_id FROM (SELECT * FROM nba_raw.games LIMIT 100) WHERE game_date = @day\n",
        "CREATE TABLE staging.t (seen_at TIMESTAMP) PARTITION BY DATE(seen_at);\nSELECT seen_at FROM staging.t WHERE DATE(seen_at, 'America/New_York') = @day;\n",
    ),
    good=(
        "SELECT game_id FROM nba_raw.games WHERE game_date >= DATE_SUB(@day, INTERVAL 1 DAY)\n",
        "SELECT game_id FROM nba_raw.games WHERE DATE_TRUNC(game_date, MONTH) = @month\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day OR game_date = @other\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day AND EXTRACT(DAYOFWEEK FROM game_date) = 1\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date IN UNNEST(@days)\n",
        "SELECT game_id FROM nba_raw.games WHERE (game_date = @day AND season = 'a') OR (game_date = @other AND season = 'b')\n",
        "SELECT game_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY game_date ORDER BY tipoff_at) AS n FROM nba_raw.games) WHERE game_date = @day\n",
        "CREATE TABLE staging.t (seen_at TIMESTAMP) PARTITION BY DATE(seen_at);\nSELECT seen_at FROM staging.t WHERE DATE(seen_at) = @day;\n",
        "CREATE TABLE staging.t (seen_at TIMESTAMP) PARTITION BY DATE(seen_at);\nSELECT seen_at FROM staging.t WHERE TIMESTAMP_TRUNC(seen_at, DAY) = @day;\n",
    ),
    statements=_statements,
    in_tests=False,
)
