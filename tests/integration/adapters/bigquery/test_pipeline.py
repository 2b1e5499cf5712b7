"""Phases 1 to 4 in process give the same rows in BigQuery as in DuckDB, with at most two jobs a task."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.testing import bigquery_server
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse
from tests.kit.mini_season import GAMES, TRADE, put
from tests.kit.warehouse import TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from nbactl.testing.bigquery import BigQueryServer

RAW = ("nba_raw.games", "nba_raw.player_boxscores")
QUARANTINED = tuple(f"{table}_quarantine" for table in RAW)


@pytest.fixture(scope="module")
def server() -> Iterator[BigQueryServer]:
    with bigquery_server(project=PROJECT, location=LOCATION) as server:
        yield server


@pytest.fixture(scope="module")
def labs(server: BigQueryServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Lab]]:
    """A pipeline on DuckDB and one on BigQuery."""
    local, cloud = (Lab(tmp_path_factory.mktemp(name)) for name in ("local", "cloud"))
    cloud.warehouse.close()
    cloud.warehouse = bigquery_warehouse(server.address)  # type: ignore[assignment]
    with closing(local.warehouse), closing(cloud.warehouse):
        yield local, cloud


def rows(lab: Lab, table: str, day: date) -> list[dict[str, Any]]:
    return sorted(lab.partition(table, day), key=repr)


def jobs(server: BigQueryServer) -> list[dict[str, Any]]:
    """Return the jobs that were asked for; the statements of a script are jobs of their own, and not counted."""
    return [job for job in server.jobs() if job["parent"] is None]


def test_phases_3_and_4_give_the_rows_of_duckdb_in_two_jobs_a_task(
    server: BigQueryServer, labs: tuple[Lab, Lab]
) -> None:
    local, cloud = labs
    for lab in labs:
        put(lab, GAMES)
    for table in TABLES:
        before = len(jobs(server))
        written = cloud.run(table, TRADE)
        assert len(jobs(server)) - before <= 2, table
        assert written.rows == local.run(table, TRADE).rows
        assert written.rows
        assert rows(cloud, table, TRADE) == rows(local, table, TRADE), table
