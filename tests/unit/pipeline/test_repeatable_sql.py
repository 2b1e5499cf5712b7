"""No statement of phases 3 and 4 has a result that depends on the order in which rows are read.

Sums and averages run over whole numbers: a sum of FLOAT64 depends on its order, and with it on threads and files.
"""

from __future__ import annotations

from typing import Final

import pytest
import sqlglot  # noqa: TID253 - what is tested here is SQL
from sqlglot import exp  # noqa: TID253
from sqlglot.optimizer.annotate_types import annotate_types  # noqa: TID253
from sqlglot.optimizer.qualify import qualify  # noqa: TID253

from nbactl.pipeline.statements import table_sql
from nbactl.warehouse.tables import load_tables
from tests.kit.warehouse import TABLES

EXACT: Final = (exp.DataType.Type.BIGINT, exp.DataType.Type.INT, exp.DataType.Type.DECIMAL)
ORDERLESS: Final = (exp.Count, exp.CountIf, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)
"""Aggregates whose result is the same in any order of the rows, whatever their type."""
RANKING: Final = (exp.RowNumber, exp.Lag, exp.Lead)
UNPORTABLE: Final = (exp.Pow, exp.Exp, exp.Ln, exp.Log)
"""Functions whose last bit is up to the engine's library. SQRT and division are rounded correctly everywhere."""
KEYS: Final = {
    "nba_raw.games": {"game_date", "game_id"},
    "nba_raw.player_boxscores": {"game_date", "game_id", "player_lookup"},
    "team_games": {"game_date", "game_id", "team_abbr"},
}
"""The columns that identify a row."""


def analysed(sql: str) -> exp.Expr:
    """Return the statement with every column's table and every expression's type."""
    datasets: dict[str, dict[str, object]] = {}
    for name, table in load_tables().items():
        dataset, _, short = name.partition(".")
        datasets.setdefault(dataset, {})[short] = {column.name: column.type for column in table.columns}
    schema: dict[str, object] = {**datasets}
    tree = sqlglot.parse_one(sql, read="bigquery")
    for parameter in list(tree.find_all(exp.Parameter)):
        parameter.replace(exp.cast(exp.Literal.string("2025-01-14"), "DATE"))
    return annotate_types(qualify(tree, schema=schema, dialect="bigquery"), schema=schema, dialect="bigquery")


def complaints(sql: str) -> list[str]:
    """Return what may give another result when rows come in another order."""
    tree = analysed(sql)
    found = [f"not the same on every engine: {node.sql()}" for node in tree.find_all(*UNPORTABLE)]
    for node in tree.find_all(exp.AggFunc):
        if isinstance(node, (*ORDERLESS, *RANKING)) or (isinstance(node, exp.Sum) and node.this.is_type(*EXACT)):
            continue
        found.append(f"not exact: {node.sql()} of {node.this.type}")
    for window in tree.find_all(exp.Window):
        if isinstance(window.this, RANKING) or window.args.get("spec"):
            found += [] if totally_ordered(window) else [f"no total order: {window.sql()}"]
    return found + [f"picks rows: {node.sql()}" for node in tree.find_all(exp.Limit, exp.Rand)]


def totally_ordered(window: exp.Window) -> bool:
    """Return whether no two rows of a partition are equal in the order, or those that are give the same row."""
    order = window.args.get("order")
    named = [*window.args["partition_by"], *(part.this for part in (order.expressions if order else []))]
    columns = {column.name for column in named if isinstance(column, exp.Column)}
    select = window.find_ancestor(exp.Select)
    assert select is not None
    first = select.args["from_"].this
    key = KEYS.get(f"{first.db}.{first.name}" if first.db else first.name) if isinstance(first, exp.Table) else None
    given = {column.name for part in select.expressions for column in part.find_all(exp.Column)}
    return (key is not None and key <= columns) or given <= columns


@pytest.mark.parametrize("table", [*TABLES, "predict/inputs"])
def test_every_aggregate_is_exact_and_every_window_ordered(table: str) -> None:
    assert complaints(table_sql(table)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(minutes) AS x FROM nba_raw.player_boxscores",
        "SELECT AVG(points) AS x FROM nba_raw.player_boxscores",
        "SELECT SUM(x) AS y FROM (SELECT minutes * 60 AS x FROM nba_raw.player_boxscores)",
        "SELECT SUM(points / 2) AS x FROM nba_raw.player_boxscores",
        "SELECT SUM(0.44 * points) AS x FROM nba_raw.player_boxscores",
        "SELECT SUM(minutes) OVER (PARTITION BY game_id) AS x FROM nba_raw.player_boxscores",
        "SELECT STDDEV_SAMP(points) AS x FROM nba_raw.player_boxscores",
        "SELECT CORR(points, rebounds) AS x FROM nba_raw.player_boxscores",
        "SELECT ANY_VALUE(player_name) AS x FROM nba_raw.player_boxscores",
        "SELECT ARRAY_AGG(player_name) AS x FROM nba_raw.player_boxscores",
        "SELECT STRING_AGG(player_name) AS x FROM nba_raw.player_boxscores",
        "SELECT APPROX_QUANTILES(points, 2) AS x FROM nba_raw.player_boxscores",
        "SELECT points FROM nba_raw.player_boxscores LIMIT 1",
        "SELECT POW(0.85, points) AS x FROM nba_raw.player_boxscores",
        "SELECT points, ROW_NUMBER() OVER (ORDER BY game_date, game_id) AS x FROM nba_raw.player_boxscores",
        "SELECT LAG(points) OVER (ORDER BY game_date, player_lookup) AS x FROM nba_raw.player_boxscores",
    ],
)
def test_what_depends_on_the_order_of_rows_is_seen(sql: str) -> None:
    assert complaints(sql)
