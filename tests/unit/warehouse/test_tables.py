"""tables.yaml: what is accepted, what is refused and where, and how tables come to be."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import ConfigError, NotFoundError, PreconditionError
from nbactl.ports.warehouse import Column, Rows, TableSchema
from nbactl.warehouse.tables import ensure_tables, load_tables
from tests.kit.warehouse_process import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse

GOOD = """\
nba_test.games:
  description: One row per game.
  partition_by: game_date
  cluster_by: [game_id]
  columns:
    game_id: {type: STRING, required: true, description: League id.}
    game_date: {type: DATE, required: true}
    pace: {type: FLOAT64}
    rating: {type: NUMERIC}
"""
GAMES = TableSchema(
    "nba_test.games",
    (
        Column("game_id", "STRING", required=True, description="League id."),
        Column("game_date", "DATE", required=True),
        Column("pace", "FLOAT64"),
        Column("rating", "NUMERIC"),
    ),
    "game_date",
    ("game_id",),
    "One row per game.",
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDbWarehouse]:
    warehouse = open_warehouse(tmp_path / "w.duckdb")
    yield warehouse
    warehouse.close()


def test_the_shipped_tables_are_all_as_bigquery_wants_them() -> None:
    tables = load_tables()
    assert {"nba_raw.games", "nba_raw.player_boxscores"} <= tables.keys()
    others = {name for name, schema in tables.items() if schema.partition_by != "game_date"}
    assert others == {"nba_orchestration.workflow_executions"}
    assert load_tables() is tables


def test_the_shipped_tables_can_be_made_and_are_then_up_to_date(warehouse: DuckDbWarehouse) -> None:
    for _ in range(2):
        ensure_tables(warehouse, load_tables())
    assert warehouse.list_tables() == sorted(load_tables())
    assert {name: warehouse.table(name).schema for name in load_tables()} == dict(load_tables())


def test_a_declaration_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "tables.yaml").write_text(GOOD)
    assert load_tables(tmp_path / "tables.yaml") == {"nba_test.games": GAMES}


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("FLOAT64", "FLOAT", 8, "FLOAT64"),
        ("partition_by: game_date", "partition_by: game_dat", 3, "game_date"),
        ("partition_by: game_date", "partition_by: game_id", 3, "must be a DATE or TIMESTAMP"),
        ("partition_by", "partition_bye", 3, "partition_by"),
        ("[game_id]", "[game_di]", 4, "game_id"),
        ("[game_id]", "[pace]", 4, "BigQuery refuses FLOAT64"),
        ("[game_id]", "[game_id, game_id]", 4, "twice"),
        ("[game_id]", "[game_id, game_date, a, b, c]", 4, "takes 4"),
        ("required: true}", "required: yes}", 7, "true or false"),
        ("nba_test.games", "games", 1, "dataset.table"),
        ("nba_test.games", "project.nba_test.games", 1, "dataset.table"),
        ("columns:\n    game_id", "collumns:\n    game_id", 5, "columns"),
        ("    pace: {type: FLOAT64}\n", "    pace: {type: FLOAT64}\n    pace: {type: INT64}\n", 9, "again"),
        ("    pace: {type: FLOAT64}\n", "    pace: {}\n", 8, "type"),
        (GOOD, "- a list\n", 1, "mapping"),
        (GOOD, "", 1, "empty"),
    ],
)
def test_inv_21_a_wrong_declaration_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, told: str
) -> None:
    assert old in GOOD
    path = tmp_path / "tables.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_tables(path)
    problems = caught.value.details["problems"]
    assert any(
        each["line"] == line and re.search(told, f"{each['message']} {each['suggestion']}") for each in problems
    ), problems
    assert all(each["file"].endswith("tables.yaml") for each in problems)


def test_a_table_that_is_not_declared_is_named_with_its_nearest_neighbour(warehouse: DuckDbWarehouse) -> None:
    with pytest.raises(NotFoundError, match=r"nba_raw\.gamez") as caught:
        ensure_tables(warehouse, ["nba_raw.gamez"])
    assert "nba_raw.games" in (caught.value.next_step or "")
    assert warehouse.list_tables() == []


def test_a_column_that_was_declared_later_is_added(warehouse: DuckDbWarehouse) -> None:
    ensure_tables(warehouse, [GAMES.name], {GAMES.name: GAMES})
    warehouse.load(GAMES.name, Rows(("game_id", "game_date"), [("a", date(2024, 1, 15))]), timeout=5.0)
    grown = replace(GAMES, columns=(*GAMES.columns, Column("overtime", "BOOL")))
    ensure_tables(warehouse, [GAMES.name], {GAMES.name: grown})
    assert warehouse.table(GAMES.name).schema == grown
    assert warehouse.query("SELECT game_id, overtime FROM nba_test.games", timeout=5.0).rows == [("a", None)]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (replace(GAMES, columns=(*GAMES.columns, Column("must", "BOOL", required=True))), "must"),
        (replace(GAMES, columns=(*GAMES.columns[:2], Column("pace", "INT64"))), "pace is FLOAT64, declared as INT64"),
        (replace(GAMES, columns=(*GAMES.columns[:2], Column("pace", "FLOAT64", required=True))), "pace is nullable"),
        (replace(GAMES, columns=GAMES.columns[:2]), "pace"),
        (replace(GAMES, partition_by=None), "partitioned by game_date"),
    ],
)
def test_a_change_that_needs_a_rebuild_is_refused_with_the_reason(
    warehouse: DuckDbWarehouse, declared: TableSchema, told: str
) -> None:
    ensure_tables(warehouse, [GAMES.name], {GAMES.name: GAMES})
    with pytest.raises(PreconditionError) as caught:
        ensure_tables(warehouse, [GAMES.name], {GAMES.name: declared})
    assert told in (caught.value.cause or "")
    assert warehouse.table(GAMES.name).schema == GAMES
