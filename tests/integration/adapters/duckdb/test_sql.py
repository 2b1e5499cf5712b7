"""The warehouse suite against DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from nbactl.errors import DataError, NbactlError
from tests.conformance.warehouse import WarehouseSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestDuckDbWarehouse(WarehouseSuite):
    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Iterator[DuckDbWarehouse]:
        warehouse = DuckDbWarehouse(tmp_path / "w.duckdb", clock=SystemClock(), lock_wait=5.0, holder="test")
        yield warehouse
        warehouse.close()

    def test_what_duckdb_cannot_answer_alike_is_refused_before_it_runs(self, warehouse: DuckDbWarehouse) -> None:
        with pytest.raises(DataError, match="cannot answer this as BigQuery does"):
            warehouse.query("SELECT APPROX_TOP_COUNT(game_id, 2) AS top FROM nba_test.games", timeout=5.0)

    @pytest.mark.parametrize("sql", ["SELECT * FROM read_csv('/etc/hosts')", "SELECT * FROM `/etc/hosts`"])
    def test_sql_cannot_reach_files(self, warehouse: DuckDbWarehouse, sql: str) -> None:
        with pytest.raises(NbactlError):
            warehouse.query(sql, timeout=5.0)

    def test_a_project_before_the_dataset_means_this_file(self, warehouse: DuckDbWarehouse) -> None:
        sql = "SELECT COUNT(*) AS n FROM `nba-props-platform.nba_test.games`"
        assert warehouse.query(sql, timeout=5.0).scalar() == 0
