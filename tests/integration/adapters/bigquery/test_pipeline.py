"""Phases 1 to 4 in process give the same rows in BigQuery as in DuckDB, with at most two jobs a task."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.bigquery import bigquery_warehouse
from tests.kit.mini_season import GAMES, TRADE, Game, put
from tests.kit.records import DAY, game, log
from tests.kit.warehouse import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from nbactl.testing.bigquery import BigQueryServer

TABLES = (
    "nba_analytics.team_offense_game_summary",
    "nba_analytics.upcoming_team_game_context",
    "nba_precompute.team_defense_zone_analysis",
)
"""Two of phase 3, and one of phase 4 that reads what they wrote."""


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
        assert rows(cloud, table, TRADE) == rows(local, table, TRADE), table


def test_a_set_of_dates_takes_a_tenth_of_the_jobs_and_of_the_bytes_billed(
    server: BigQueryServer, labs: tuple[Lab, Lab]
) -> None:
    _, cloud = labs
    table, days = TABLES[0], [TRADE + timedelta(days=number) for number in range(20, 32)]
    put(cloud, [Game(day, "BOS", "ATL", (100, 90)) for day in days])

    def taken(compute: Callable[[], object]) -> tuple[int, int]:
        """Return how many jobs it takes, and the bytes billed."""
        before = {job["id"] for job in server.jobs()}
        compute()
        new = [job for job in jobs(server) if job["id"] not in before]
        return len(new), sum(job["bytes_billed"] for job in new)

    cloud.run_set(table, days)  # so that both find rows to replace
    apart = taken(lambda: [cloud.run(table, day, token=2) for day in days])
    one_by_one = [rows(cloud, table, day) for day in days]
    together = taken(lambda: cloud.run_set(table, days, token=3))
    assert [rows(cloud, table, day) for day in days] == one_by_one
    assert apart[1] > 0
    assert 10 * together[0] <= apart[0]
    assert 10 * together[1] <= apart[1]


def test_phase_2_gives_the_rows_of_duckdb_and_the_same_quarantine(labs: tuple[Lab, Lab]) -> None:
    local, cloud = labs
    for lab in labs:
        lab.collect_records(DAY, [game()], [log(2), log(3, PTS="-1")])
    for task in ("raw.games", "raw.player_boxscores"):
        assert cloud.run(task, DAY).rows == local.run(task, DAY).rows
    for table in ("nba_raw.games", "nba_raw.player_boxscores", "nba_raw.player_boxscores_quarantine"):
        found = rows(cloud, table, DAY)
        assert found == rows(local, table, DAY)
        assert found
