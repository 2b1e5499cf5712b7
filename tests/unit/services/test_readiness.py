"""The predictions table is looked at now and then, and at once again while it is wrong."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.errors import DataError
from nbactl.pipeline.predict.writing import TABLE
from nbactl.services.readiness import TableCheck, try_prediction
from nbactl.testing import FakeClock
from nbactl.warehouse.tables import declared_table

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.ports.alerts import Alert


def test_a_column_that_vanishes_is_found_within_the_declared_time_and_alerted_now_and_then(tmp_path: Path) -> None:
    clock, alerts = FakeClock(), list["Alert"]()
    with closing(DuckDbWarehouse(tmp_path / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")) as warehouse:
        table = TableCheck(lambda: warehouse, declared_table, clock, every=600.0, alert=alerts.append)
        table.check()
        warehouse.apply_ddl([f"ALTER TABLE {TABLE} DROP COLUMN confidence"], timeout=30.0)
        clock.advance(599.0)
        table.check()
        clock.advance(1.0)
        for _ in range(3):
            with pytest.raises(DataError, match="cannot take predictions: confidence"):
                table.check()
        assert [(alert.key, alert.severity) for alert in alerts] == [("predictions_table", "critical")]
        clock.advance(600.0)
        with pytest.raises(DataError):
            table.check()
        assert len(alerts) == 2
        warehouse.apply_ddl([f"ALTER TABLE {TABLE} ADD COLUMN confidence FLOAT64"], timeout=30.0)
        table.check()


def test_a_prediction_is_tried_from_inputs_as_they_come_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    try_prediction(FakeClock())
    monkeypatch.setattr("nbactl.services.readiness.parse_inputs", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        try_prediction(FakeClock())
