"""What a query reads is told only where it is sure."""

from __future__ import annotations

from importlib.resources import files

import pytest

from nbactl.pipeline.statements import table_sql
from nbactl.warehouse.sql.reads import Reads, reads_of
from nbactl.warehouse.tables import load_tables

PROJECT = "nba-props-platform"


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", ()),
        ("SELECT * FROM nba_raw.games", ("nba_raw.games",)),
        ("SELECT * FROM `nba_raw.games` AS g", ("nba_raw.games",)),
        ("SELECT * FROM `nba-props-platform.nba_raw.games`", ("nba_raw.games",)),
        ("SELECT * FROM nba-props-platform.nba_raw.games", ("nba_raw.games",)),
        ("SELECT * FROM nba_raw.b JOIN nba_raw.a USING (x)", ("nba_raw.a", "nba_raw.b")),
        ("SELECT * FROM nba_raw.a WHERE x IN (SELECT y FROM nba_raw.b WHERE d = @day)", ("nba_raw.a", "nba_raw.b")),
        ("SELECT (SELECT MAX(x) FROM nba_raw.b) FROM nba_raw.a", ("nba_raw.a", "nba_raw.b")),
        ("SELECT x FROM nba_raw.a UNION ALL SELECT x FROM nba_raw.b", ("nba_raw.a", "nba_raw.b")),
        ("WITH games AS (SELECT * FROM nba_raw.games) SELECT * FROM games", ("nba_raw.games",)),
        ("SELECT * FROM nba_raw.a, UNNEST(GENERATE_DATE_ARRAY('2024-01-01', '2024-01-31')) AS d", ("nba_raw.a",)),
        ("SELECT FARM_FINGERPRINT(player), SAFE_DIVIDE(a, b) FROM nba_raw.a", ("nba_raw.a",)),
    ],
)
def test_the_tables_of_a_query_are_found_wherever_they_stand(sql: str, tables: tuple[str, ...]) -> None:
    assert reads_of(sql, PROJECT) == Reads(repeatable=True, tables=tables)


@pytest.mark.parametrize(
    "expression",
    [
        "CURRENT_DATE()",
        "CURRENT_DATE",
        "CURRENT_DATE('America/New_York')",
        "CURRENT_TIMESTAMP()",
        "CURRENT_DATETIME()",
        "CURRENT_TIME()",
        "RAND()",
        "GENERATE_UUID()",
        "SESSION_USER()",
        "@@project_id",
        "nba_raw.a_function(x)",
        "a_function_that_the_parser_does_not_know(x)",
        "DATE_SUB(CURRENT_DATE(), INTERVAL 1 DAY)",
    ],
)
def test_a_query_that_may_answer_differently_next_time_is_not_repeatable(expression: str) -> None:
    for sql in ("SELECT {} FROM nba_raw.a", "SELECT x FROM nba_raw.a WHERE x = {}"):
        assert reads_of(sql.format(expression)) == Reads(repeatable=False, tables=None)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO nba_raw.a (x) SELECT x FROM nba_raw.b",
        "DELETE FROM nba_raw.a WHERE x = 1",
        "MERGE nba_raw.a USING nba_raw.b ON FALSE WHEN NOT MATCHED THEN INSERT ROW",
        "CREATE TABLE nba_raw.a AS SELECT 1 AS x",
        "SELECT * FROM nba_raw.a TABLESAMPLE SYSTEM (10 PERCENT)",
        "SELECT * FROM ML.PREDICT(MODEL nba_raw.m, (SELECT 1))",
    ],
)
def test_writes_samples_and_models_are_not_repeatable(sql: str) -> None:
    assert reads_of(sql) == Reads(repeatable=False, tables=None)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM games",
        "SELECT * FROM `other-project.nba_raw.games`",
        "SELECT * FROM `nba_raw.events_*`",
        "SELECT * FROM nba_raw.INFORMATION_SCHEMA.TABLES",
        "SELECT * FROM nba_raw.games FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00+00'",
    ],
)
def test_of_tables_whose_change_would_not_be_seen_nothing_is_reported(sql: str) -> None:
    assert reads_of(sql, PROJECT) == Reads(repeatable=True, tables=None)


def test_a_table_of_a_project_is_nobodys_where_no_project_was_given() -> None:
    assert reads_of("SELECT * FROM `nba-props-platform.nba_raw.games`").tables is None


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT 1; SELECT 2", "SELECT 'open"])
def test_what_the_parser_does_not_understand_is_left_to_the_engine(sql: str) -> None:
    assert reads_of(sql) == Reads(repeatable=True, tables=None)


def test_the_tables_of_the_pipelines_own_queries_are_the_declared_ones() -> None:
    names = [file.name.removesuffix(".sql") for file in (files("nbactl.pipeline") / "sql").iterdir()]
    for name in (name for name in names if "." in name):
        tables = reads_of(table_sql(name)).tables
        assert tables
        assert set(tables) <= set(load_tables())
