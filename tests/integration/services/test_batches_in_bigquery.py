"""A batch of predictions in BigQuery: one load and one MERGE, however many players there are."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.pipeline.predict.writing import TABLE, merge_predictions
from nbactl.testing import FakeClock, bigquery_server, memory_documents
from nbactl.warehouse.tables import ensure_tables
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse
from tests.kit.prediction_night import BATCH, DAY, TRIGGER, Night, roster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.warehouse import Warehouse
    from nbactl.testing.bigquery import BigQueryServer


@pytest.fixture(scope="module")
def server() -> Iterator[BigQueryServer]:
    with bigquery_server(project=PROJECT, location=LOCATION) as server:
        yield server


@pytest.fixture(scope="module")
def warehouse(server: BigQueryServer) -> Iterator[Warehouse]:
    with closing(bigquery_warehouse(server.address)) as warehouse:
        ensure_tables(warehouse, (TABLE,))
        yield warehouse


def changes(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the jobs did that changed rows."""
    found = ["LOAD" if job["type"].upper() == "LOAD" else job["statement"] for job in jobs]
    return [name for name in found if name not in {"SELECT", "CREATE_TABLE", "DROP_TABLE", "SCRIPT"}]


def test_incident_03_a_batch_is_one_load_job_and_one_merge(server: BigQueryServer, warehouse: Warehouse) -> None:
    def merge(day: GameDate, rows: Sequence[Mapping[str, Any]], batch_id: str) -> int:
        return merge_predictions(warehouse, day.day, rows, batch_id=batch_id, timeout=30.0)

    clock = FakeClock()
    with closing(memory_documents(clock)) as store:
        night = Night(store, clock, roster(40), merge=merge)
        before = len(server.jobs())
        night.coordinator.start(TRIGGER)
        for _ in range(2):
            night.work()
            night.hear()
        clock.advance(61.0)
        night.coordinator.sweep()
        # A load of the warehouse is a load job into a table of its own, and one INSERT.
        assert changes(server.jobs()[before:]) == ["LOAD", "INSERT", "MERGE"]
        [completion] = night.announced()
        assert (completion["status"], completion["record_count"]) == ("success", 120)
    sql = f"SELECT COUNT(*), COUNT(DISTINCT player_lookup) FROM {TABLE} WHERE game_date = @day AND batch_id = @batch"  # noqa: S608
    found = warehouse.query(sql, {"day": DAY.day, "batch": BATCH}, timeout=30.0)
    assert found.rows == [(120, 40)]
