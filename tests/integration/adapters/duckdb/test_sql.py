"""What DuckDB refuses, and what it understands, beyond the suite of the warehouse port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from nbactl.errors import DataError, NbactlError, NotFoundError
from nbactl.ports.warehouse import Column, TableSchema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDbWarehouse]:
    warehouse = DuckDbWarehouse(tmp_path / "w.duckdb", clock=SystemClock(), lock_wait=5.0, holder="test")
    columns = (Column("game_id", "STRING", required=True), Column("game_date", "DATE", required=True))
    warehouse.create_table(TableSchema("nba_test.games", columns, partition_by="game_date"))
    yield warehouse
    warehouse.close()


def test_a_query_that_duckdb_cannot_answer_as_bigquery_does_is_refused_before_it_runs(
    warehouse: DuckDbWarehouse,
) -> None:
    with pytest.raises(DataError, match=r"cannot answer APPROX_TOP_COUNT as BigQuery does \(line 1, column 8\)"):
        warehouse.query("SELECT APPROX_TOP_COUNT(game_id, 2) AS top FROM nba_test.games", timeout=5.0)


@pytest.mark.parametrize("sql", ["SELECT * FROM read_csv('/etc/hosts')", "SELECT * FROM `/etc/hosts`"])
def test_sql_cannot_reach_files(warehouse: DuckDbWarehouse, sql: str) -> None:
    with pytest.raises(NbactlError):
        warehouse.query(sql, timeout=5.0)


def test_a_project_before_the_dataset_means_this_file(warehouse: DuckDbWarehouse) -> None:
    sql = "SELECT COUNT(*) AS n FROM `nba-props-platform.nba_test.games`"
    assert warehouse.query(sql, timeout=5.0).scalar() == 0


def test_the_same_query_of_two_warehouses_has_the_columns_of_each(warehouse: DuckDbWarehouse, tmp_path: Path) -> None:
    sql = "SELECT * FROM nba_test.games"
    other = DuckDbWarehouse(tmp_path / "other.duckdb", clock=SystemClock(), lock_wait=5.0, holder="test")
    other.create_table(TableSchema("nba_test.games", (Column("points", "INT64"),)))
    empty = DuckDbWarehouse(tmp_path / "empty.duckdb", clock=SystemClock(), lock_wait=5.0, holder="test")
    for _ in range(2):
        assert warehouse.query(sql, timeout=5.0).columns == ("game_id", "game_date")
        assert other.query(sql, timeout=5.0).columns == ("points",)
        with pytest.raises(NotFoundError, match=r"no table nba_test\.games"):
            empty.query(sql, timeout=5.0)
    for opened in (other, empty):
        opened.close()
