"""The SQL of phases 3 and 4 as BigQuery would see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlglot  # noqa: TID253 - what is tested here is SQL
from sqlglot import exp  # noqa: TID253

from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import table_sql
from nbactl.warehouse.tables import load_tables
from tests.kit.paths import ROOT
from tests.kit.warehouse import TABLES

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "nbactl/pipeline/sql"
FILES = sorted(FOLDER.rglob("*.sql"))


def test_every_table_of_phases_3_and_4_has_its_processor() -> None:
    declared = {name for name in load_tables() if name.startswith(("nba_analytics.", "nba_precompute."))}
    registered = {name for name, target in PROCESSORS.items() if target == "nbactl.pipeline.transform:transform"}
    assert declared == registered == set(TABLES) == {path.stem for path in FOLDER.glob("*.sql")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_a_query_by_itself(path: Path) -> None:
    (tree,) = sqlglot.parse(path.read_text(encoding="utf-8"), read="bigquery")
    assert isinstance(tree, exp.Query)
    assert path.read_text(encoding="utf-8").startswith("-- ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_read_of_a_partitioned_table_is_bounded_by_date(path: Path) -> None:
    """BigQuery prunes on constant bounds of the partition column in the same SELECT, not on what a join implies."""
    tree = sqlglot.parse_one(path.read_text(encoding="utf-8"), read="bigquery")
    for table in (table for table in tree.find_all(exp.Table) if table.db):
        select = table.find_ancestor(exp.Select)
        assert select is not None
        assert bounded(select, table), f"{table.sql()} is read whole"


def bounded(select: exp.Select, table: exp.Table) -> bool:
    joins = select.args.get("joins") or []
    conditions = [select.args.get("where"), *(join.args.get("on") for join in joins)]
    return any(
        column.name == "game_date" and column.table in ("", table.alias) and not comparison.args["this"].find(exp.Func)
        for condition in conditions
        if condition is not None
        for comparison in condition.find_all(exp.EQ, exp.Between)
        if comparison.find(exp.Parameter)
        for column in comparison.this.find_all(exp.Column)
    )


def test_an_unbounded_read_would_be_seen() -> None:
    for sql in (
        "SELECT * FROM nba_raw.games WHERE season = '2023-24'",
        "SELECT * FROM nba_raw.games AS g JOIN d ON d.game_date = g.game_date WHERE d.game_date = @game_date",
    ):
        tree = sqlglot.parse_one(sql, read="bigquery")
        assert isinstance(tree, exp.Select)
        (table,) = (table for table in tree.find_all(exp.Table) if table.db)
        assert not bounded(tree, table)


@pytest.mark.parametrize("table", TABLES)
def test_the_query_gives_the_declared_columns_in_their_order(table: str) -> None:
    tree = sqlglot.parse_one(table_sql(table), read="bigquery")
    assert isinstance(tree, exp.Select)
    assert tree.named_selects == [column.name for column in load_tables()[table].columns]
    assert {parameter.name for parameter in tree.find_all(exp.Parameter)} == {"dates", "first", "last"}


def test_every_common_expression_is_used() -> None:
    statements = [table_sql(table) for table in TABLES]
    common = [path.stem for path in FOLDER.glob("common/*.sql")]
    assert common
    assert [name for name in common if not any(f"{name} AS (" in sql for sql in statements)] == []


@pytest.mark.parametrize("table", TABLES)
def test_what_a_query_reads_is_a_table_or_named_in_it(table: str) -> None:
    tree = sqlglot.parse_one(table_sql(table), read="bigquery")
    known = {expression.alias for expression in tree.find_all(exp.CTE)}
    assert {read.name for read in tree.find_all(exp.Table) if not read.db} <= known
