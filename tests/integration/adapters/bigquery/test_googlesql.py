"""Every statement that nbactl ships is accepted by GoogleSQL's own grammar, and its names and types by its analyser."""

from __future__ import annotations

from typing import Final

import pytest

from nbactl.adapters.bigquery import scripts
from nbactl.pipeline.raw import _KNOWN_PLAYERS
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import table_sql
from nbactl.pipeline.transform import _COUNT
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.warehouse.tables import load_tables
from tests.kit.googlesql import refusal_of_query, refusal_of_script

COMPILED: Final = pytest.mark.timeout(900)
"""The grammar is compiled before the first test: half a minute on an idle machine, minutes on a busy one."""
TABLES: Final = tuple(load_tables().values())
STATEMENTS: Final = tuple(name for name in PROCESSORS if "nba_" in name)
EVERY_TYPE: Final = TableSchema(
    "nba_test.types",
    (
        Column("text", "STRING"),
        Column("whole", "INT64", required=True),
        Column("real", "FLOAT64"),
        Column("exact", "NUMERIC"),
        Column("yes", "BOOL", required=True),
        Column("day", "DATE"),
        Column("at", "TIMESTAMP", required=True),
        Column("document", "JSON"),
    ),
    partition_by="at",
)


@COMPILED
def test_the_judge_refuses_what_is_wrong() -> None:
    assert "Syntax error" in str(refusal_of_script("IF TRUE THEN SELECT 1; END"))
    assert "nope" in str(refusal_of_query("SELECT nope FROM nba_raw.games", TABLES))
    assert "No matching signature" in str(refusal_of_query("SELECT MD5(game_date) FROM nba_raw.games", TABLES))


@COMPILED
@pytest.mark.parametrize("name", STATEMENTS)
def test_the_statement_of_a_processor_is_googlesql(name: str) -> None:
    assert refusal_of_query(table_sql(name), TABLES) is None


@COMPILED
@pytest.mark.parametrize("sql", [_COUNT, _KNOWN_PLAYERS], ids=["counts", "known players"])
def test_a_question_of_a_processor_is_googlesql(sql: str) -> None:
    assert refusal_of_query(sql, TABLES) is None


@COMPILED
def test_the_question_for_versions_is_googlesql_for_every_type() -> None:
    tables = (EVERY_TYPE, scripts.bookkeeping("nba_test"))
    assert refusal_of_query(scripts.versions_query([EVERY_TYPE, EVERY_TYPE], [True, False]), tables) is None


@COMPILED
@pytest.mark.parametrize("schema", [*TABLES, EVERY_TYPE], ids=lambda schema: schema.name)
def test_the_scripts_that_write_a_table_are_googlesql(schema: TableSchema) -> None:
    columns = [column.name for column in schema.columns]
    written = [scripts.append_script(schema, staged="nba_test.staged", columns=columns)]
    if schema.partition_by is not None:
        for staged, query in ((None, "SELECT 1 AS a"), ("nba_test.staged", None), (None, None)):
            written.append(scripts.replace_script(schema, staged=staged, query=query, columns=columns))
    assert [refusal_of_script(script) for script in written] == [None] * len(written)
