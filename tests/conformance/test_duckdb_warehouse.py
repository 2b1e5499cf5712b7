"""The warehouse suite against DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core.clock import SystemClock
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
