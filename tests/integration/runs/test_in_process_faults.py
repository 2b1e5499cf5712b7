"""`nbactl run --in-process --target gcp` on a network that loses answers: nothing is lost, nothing is done twice."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import date, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.testing import FaultProxy, bigquery_server
from tests.integration.runs.gcp_project import DAY
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.league import League

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.testing.bigquery import BigQueryServer
    from tests.integration.runs.gcp_project import GcpProject

TODAY = date.fromisoformat(DAY)
SUMMARY = "nba_analytics.player_game_summary"
ROWS = f"SELECT * FROM {SUMMARY} ORDER BY game_date, player_lookup"  # noqa: S608


@pytest.fixture
def league(tmp_path: Path) -> League:
    return League(tmp_path, {TODAY - timedelta(days=1): 18, TODAY: 20})


@pytest.fixture
def bigquery(gcp: GcpProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryServer]:
    with bigquery_server(project=gcp.project, location="us-west2") as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
        yield server


def run(gcp: GcpProject, league: League, *phases: str) -> list[dict[str, Any]]:
    options = ("--in-process", "--date", DAY, "--source", f"path:{league.folder}")
    runs: list[dict[str, Any]] = gcp("run", *phases, *options)["data"]["runs"]
    return runs


@contextmanager
def now_and_then(fault: Callable[[], None], times: int = 4) -> Iterator[None]:
    """Have the fault happen some times while the work inside goes on: fewer than what retries may take."""
    ended = Event()

    def disturb() -> None:
        for _ in range(times):
            if not ended.wait(0.7):
                fault()

    thread = Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_networks_that_fail_now_and_then_before_bigquery_and_firestore(
    gcp: GcpProject, bigquery: BigQueryServer, league: League, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, documents = bigquery.address.removeprefix("http://"), gcp.env["FIRESTORE_EMULATOR_HOST"]
    with FaultProxy(warehouse) as before_warehouse, FaultProxy(documents) as before_documents:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://{before_warehouse.address}")
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", before_documents.address)
        with now_and_then(before_warehouse.reset), now_and_then(lambda: before_documents.drop_answer(3)):
            runs = run(gcp, league, "phase1", "phase2", "phase3")
        # Both were connected again.
        assert before_warehouse.connections > 2
        assert before_documents.connections > 1
    assert [one["status"] for one in runs] == ["succeeded"] * 3
    league.run("phase1", "phase2", "phase3", days=[TODAY], state="elsewhere")
    with closing(bigquery_warehouse(bigquery.address, project=gcp.project)) as found:
        assert found.query(ROWS, timeout=30.0).dicts() == league.rows(ROWS, state="elsewhere")


def test_a_task_of_phase_3_is_two_jobs(gcp: GcpProject, bigquery: BigQueryServer, league: League) -> None:
    phase3 = run(gcp, league, "phase1", "phase2", "phase3")[2]
    jobs: dict[str, int] = {}
    for job in bigquery.jobs():
        if job["labels"].get("run_id") == phase3["run_id"] and job["parent"] is None:
            jobs[job["labels"]["task"]] = jobs.get(job["labels"]["task"], 0) + 1
    assert jobs == {task["name"]: 2 for task in phase3["tasks"]}
