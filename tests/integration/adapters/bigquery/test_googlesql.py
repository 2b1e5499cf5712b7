"""Every statement that nbactl ships is accepted by GoogleSQL's own grammar, and its names and types by its analyser.

The grammar also judges the cases of the rules over SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from nbactl.adapters.bigquery import scripts, sqltext
from nbactl.checks.sql.rules import SQL_RULES
from nbactl.pipeline.names import KNOWN_PLAYERS
from nbactl.pipeline.predict import export, grading, history, writing
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import table_sql
from nbactl.pipeline.transform import _COUNT
from nbactl.ports.warehouse import Column, TableLayout, TableSchema
from nbactl.warehouse.suggest.sample import sample_query
from nbactl.warehouse.tables import load_tables
from tests.kit.googlesql import refusal_of_query, refusal_of_script

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES: Final = tuple(load_tables().values())
STATEMENTS: Final = tuple(name for name in PROCESSORS if "nba_" in name)
TAKEN: Final = ("DELETE FROM d.t\n", "UPDATE d.t SET a = 1\n", "SELECT game_id AS id ")
"""What the grammar takes and BigQuery does not: it does not look at names, and asks for no WHERE."""
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


@pytest.mark.timeout(900)
def test_every_statement_is_googlesql() -> None:
    """One test for all statements, so that one process compiles the grammar: minutes on a busy machine."""
    assert "Syntax error" in str(refusal_of_script("IF TRUE THEN SELECT 1; END"))
    assert "nope" in str(refusal_of_query("SELECT nope FROM nba_raw.games", TABLES))
    assert "No matching signature" in str(refusal_of_query("SELECT MD5(game_date) FROM nba_raw.games", TABLES))

    refusals = {f"statement of {name}": refusal_of_query(table_sql(name), TABLES) for name in STATEMENTS}
    refusals["row count"] = refusal_of_query(_COUNT, TABLES)
    refusals["known players"] = refusal_of_query(KNOWN_PLAYERS, TABLES)
    refusals["inputs of predictions"] = refusal_of_query(table_sql(history.STATEMENT), TABLES)
    refusals["inputs of some players"] = refusal_of_query(
        history.SOME_PLAYERS.format(table_sql(history.STATEMENT)), TABLES
    )
    for name, sql in (("rows of a batch", writing.COUNT), ("export", export.READ), ("expected", export.EXPECTED)):
        refusals[name] = refusal_of_query(sql, TABLES)
    refusals["grades"] = refusal_of_query(grading.COUNT, TABLES)
    staging = TableSchema("nba_predictions.staging_x", load_tables()[writing.TABLE].columns)
    refusals["merge of predictions"] = refusal_of_query(writing.MERGE.format(staging=staging.name), (*TABLES, staging))
    refusals["merge of grades"] = refusal_of_query(grading.MERGE, TABLES)
    refusals["versions of every type"] = refusal_of_query(
        scripts.versions_query([EVERY_TYPE, EVERY_TYPE], [True, False]),
        (EVERY_TYPE, scripts.bookkeeping("nba_test")),
    )
    refusals["transaction"] = refusal_of_script(
        sqltext.transaction(["UPDATE nba_raw.games SET day = day WHERE TRUE -- all", "DELETE FROM a.b WHERE TRUE;"])
    )
    for schema in (*TABLES, EVERY_TYPE):
        refusals |= {f"{name} of {schema.name}": refusal_of_script(script) for name, script in written(schema)}
    columns = [column.name for column in EVERY_TYPE.columns]
    by_key = scripts.append_script(EVERY_TYPE, staged="nba_test.staged", columns=columns, key="text")
    refusals["append by key"] = refusal_of_script(by_key)
    sample = sample_query("nba_raw.games", ("season", "game_id"), TableLayout(load_tables()["nba_raw.games"]))
    refusals["sample of a table"] = refusal_of_script(sample)
    assert len(refusals) > 3 * len(TABLES)
    assert {name: refusal for name, refusal in refusals.items() if refusal is not None} == {}
    _judge_the_cases_of_rules()


def _judge_the_cases_of_rules() -> None:
    """What is called the syntax of another database is refused, and every other case accepted."""
    for rule in SQL_RULES:
        for case in (*rule.bad, *rule.good):
            refusal = refusal_of_script(case.replace("{conditions}", "TRUE"))
            refused = rule.name == "not-bigquery" or "CLUSTER BY a DESC" in case or "b DESC" in case
            expected = refused and case in rule.bad and not case.startswith(TAKEN)
            assert (refusal is not None) is expected, f"{case}: {refusal}"


def written(schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Yield the scripts that write a table, with a name for each."""
    columns = [column.name for column in schema.columns]
    yield "append", scripts.append_script(schema, staged="nba_test.staged", columns=columns)
    if schema.partition_by is not None:
        for name, staged, query in (
            ("replace by a query", None, "SELECT 1 AS a"),
            ("replace by rows", "nba_test.staged", None),
            ("replace by nothing", None, None),
        ):
            yield name, scripts.replace_script(schema, staged=staged, query=query, columns=columns)
