"""The query gateway is a warehouse like any other, with its cache and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from nbactl.warehouse.gateway import QueryGateway
from tests.conformance.warehouse import WarehouseSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestQueryGatewayThatCaches(WarehouseSuite):
    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Iterator[QueryGateway]:
        clock = SystemClock()
        beneath = DuckDbWarehouse(tmp_path / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")
        gateway = QueryGateway(beneath, clock, enabled=lambda _: True, ttl=lambda: 3600.0)
        yield gateway
        gateway.close()


class TestQueryGatewayThatDoesNot(WarehouseSuite):
    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Iterator[QueryGateway]:
        clock = SystemClock()
        beneath = DuckDbWarehouse(tmp_path / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")
        gateway = QueryGateway(beneath, clock, enabled=lambda _: False, ttl=lambda: 3600.0)
        yield gateway
        gateway.close()
