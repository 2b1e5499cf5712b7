"""Queries that read a partitioned table without a filter on its partition column."""

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
            continue
        column = read.table.partition[0]
        message = f"{named(read)} is read without a filter on {column}"
        if read.joined:
            message += f"; to compare it with {read.joined[0]} leaves no partition out"
        yield Spot(place_of(read.node), message, read.table.name)


RULE: Final = Rule(
    name="partition-filter-missing",
    severity="error",
    summary="A partitioned table is read without a filter on its partition column.",
    why=(
        "Every partition is read and billed, whatever else the query filters by, and each day adds to the price "
        "(https://cloud.google.com/bigquery/docs/querying-partitioned-tables). A filter of an outer query counts; a "
        "comparison with a column of another table does not, because its values are not known before the query runs."
    ),
    fix="Compare the partition column with a constant, a parameter or a variable, in the MERGE's ON as well.",
    bad=(
        "SELECT game_id FROM nba_raw.games WHERE season = '2025-26'\n",
        "MERGE nba_raw.games AS t USING staging.games AS s ON t.game_id = s.game_id AND t.game_date = s.game_date\nWHEN MATCHED THEN UPDATE SET season = s.season\n",
        "WITH all_games AS (SELECT * FROM nba_raw.games)\nSELECT game_id FROM all_games WHERE season = @season\n",
        "SELECT x.player_lookup FROM (SELECT player_lookup FROM `prod.nba_raw.player_boxscores`) AS x\n",
        "SELECT b.points FROM nba_raw.games AS g JOIN nba_raw.player_boxscores AS b ON g.game_id = b.game_id WHERE g.game_date = @day\n",
        "SELECT b.points FROM nba_raw.player_boxscores AS b LEFT JOIN nba_raw.games AS g ON b.game_id = g.game_id AND b.game_date = @day AND g.game_date = @day\n",
        "DELETE FROM nba_raw.games WHERE game_id = 'x'\n",
        "UPDATE nba_raw.games SET season = 'x' WHERE game_id IN (SELECT game_id FROM staging.wrong)\n",
        "INSERT INTO staging.copy SELECT game_id FROM nba_raw.games\n",
        "SELECT game_id FROM staging.games AS s WHERE EXISTS (SELECT game_id FROM nba_raw.games AS g WHERE g.game_id = s.game_id)\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day UNION ALL SELECT game_id FROM nba_raw.games\n",
        "IF TRUE THEN\n  SELECT 1;\nELSE\n  SELECT game_id FROM nba_raw.games;\nEND IF;\n",
        "BEGIN\n  SELECT game_id FROM nba_raw.games;\nEND;\n",
        "CREATE VIEW staging.counts AS SELECT season, COUNT(*) AS games FROM nba_raw.games GROUP BY season\n",
        "CREATE TABLE staging.t (day DATE, n INT64) PARTITION BY day;\nSELECT n FROM staging.t;\n",
        "CREATE TABLE staging.i (n INT64) PARTITION BY _PARTITIONDATE;\nSELECT n FROM staging.i;\n",
    ),
    good=(
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day\n",
        "SELECT game_id FROM `prod.nba_raw.games` WHERE game_date BETWEEN '2026-01-01' AND '2026-01-31'\n",
        "WITH all_games AS (SELECT * FROM nba_raw.games)\nSELECT game_id FROM all_games WHERE game_date >= @day\n",
        "SELECT day FROM (SELECT game_date AS day, game_id FROM nba_raw.games) WHERE day = @day\n",
        "SELECT b.points FROM nba_raw.games AS g JOIN nba_raw.player_boxscores AS b USING (game_id, game_date) WHERE g.game_date = @day\n",
        "SELECT b.points FROM nba_raw.games AS g JOIN nba_raw.player_boxscores AS b ON g.game_date = b.game_date WHERE b.game_date IN ('2026-01-01')\n",
        "SELECT i.reason FROM nba_raw.games AS g JOIN nba_raw.player_boxscores AS b ON b.game_date = g.game_date JOIN nba_raw.injuries AS i ON i.game_date = b.game_date WHERE g.game_date = @day\n",
        "MERGE nba_raw.games AS t USING staging.games AS s ON t.game_id = s.game_id AND t.game_date = @day\nWHEN MATCHED THEN UPDATE SET season = s.season\n",
        "MERGE nba_raw.games AS t USING staging.games AS s ON FALSE WHEN NOT MATCHED THEN INSERT ROW\n",
        "CREATE VIEW staging.recent AS SELECT game_date, game_id FROM nba_raw.games\n",
        "DECLARE day DATE DEFAULT '2026-01-01';\nSELECT game_id FROM nba_raw.games WHERE game_date = day;\n",
        "SELECT COUNT(*) FROM nba_raw.games\n",
        "SELECT game_id FROM nba_raw.games LIMIT 0\n",
        "SELECT 1 FROM nba_raw.games TABLESAMPLE SYSTEM (1 PERCENT)\n",
        "WITH unused AS (SELECT * FROM nba_raw.games) SELECT 1\n",
        "SELECT id FROM staging.unknown\n",
        "CREATE TABLE staging.i (n INT64) PARTITION BY _PARTITIONDATE;\nSELECT n FROM staging.i WHERE _PARTITIONTIME = @at;\n",
        "SELECT game_id FROM nba_raw.games WHERE game_date = @day UNION ALL SELECT game_id FROM nba_raw.games WHERE game_date > @day\n",
        "SELECT game_id FROM nba_raw.games WHERE {conditions}\n",
    ),
    statements=_statements,
    in_tests=False,
)
