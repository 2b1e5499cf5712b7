"""Every run of a phase or workflow becomes a row of workflow_executions, by way of the buffer."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.ports.documents import Query
from nbactl.testing import FakeClock, bigquery_server, memory_documents
from nbactl.workflows.executions import EXECUTIONS, execution_row
from nbactl.workflows.ledger import Ledger
from tests.integration.runs.gcp_project import DAY
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.league import League
from tests.kit.run_records import ERROR, run, task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nbactl.ports.documents import Write
    from nbactl.ports.warehouse import Warehouse
    from nbactl.workflows.model import RunRecord
    from tests.integration.runs.gcp_project import GcpProject

ROWS = "SELECT * FROM nba_orchestration.workflow_executions ORDER BY execution_time"
OPENING = "2024-10-22"
"""A date of the sample."""
AT_ONCE = "NBACTL_TIMEOUT_ROWS_AGE", "1ms"
"""A row waits for no other."""


def rows_of(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query(ROWS, timeout=30.0).dicts()


@pytest.fixture
def nbactl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def call(*words: str) -> Any:
        capsys.readouterr()
        assert main([*words, "--state-dir", str(tmp_path / "state"), "-o", "json"]) == 0
        return json.loads(capsys.readouterr().out)["data"]

    return call


def test_on_local_a_row_waits_for_others_and_the_lists_show_each_run_once(
    nbactl: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = nbactl("run", "phase1", "--date", OPENING)["runs"]
    settings = load_settings({"state_dir": str(tmp_path / "state")}, {}, tmp_path)
    with Container(settings, environ={}) as app:
        assert app.row_buffer.waiting() == 1
        assert EXECUTIONS not in app.warehouse.list_tables()
    monkeypatch.setenv(*AT_ONCE)
    [second] = nbactl("run", "phase1", "--date", OPENING, "--force")["runs"]
    nbactl("run", "player_boxscores", "--date", OPENING, "--force")  # one task is no workflow
    with Container(settings, environ={}) as app:
        assert app.row_buffer.waiting() == 0
        found = rows_of(app.warehouse)
    assert [(row["execution_id"], row["workflow_name"], row["status"], row["tasks_failed"]) for row in found] == [
        (one["run_id"], "phase1", "succeeded", 0) for one in (first, second)
    ]
    assert [row["tasks_succeeded"] for row in found] == [len(first["tasks"])] * 2
    listed = nbactl("runs", "list", "--origin", "all", "--name", "phase1")["runs"]
    assert [(one["run_id"], one["origin"]) for one in listed] == [
        (second["run_id"], "nbactl"), (first["run_id"], "nbactl"),
    ]  # fmt: skip


def test_a_tick_loads_what_a_killed_process_left(
    nbactl: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbactl("run", "phase1", "--date", OPENING)
    assert nbactl("schedule", "tick", "--only", "rows")["rows"] == {"loaded": {}, "refused": 0, "error": None}
    monkeypatch.setenv(*AT_ONCE)
    assert nbactl("schedule", "tick", "--dry-run")["rows"] is None
    assert nbactl("schedule", "tick", "--only", "rows")["rows"] == {
        "loaded": {EXECUTIONS: 1},
        "refused": 0,
        "error": None,
    }
    with Container(load_settings({"state_dir": str(tmp_path / "state")}, {}, tmp_path), environ={}) as app:
        assert len(rows_of(app.warehouse)) == 1


def test_on_gcp_the_rows_are_loaded_and_an_outage_of_bigquery_fails_no_run(
    gcp: GcpProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*AT_ONCE)
    league = League(tmp_path, {date.fromisoformat(DAY): 20})
    options = ("--in-process", "--date", DAY, "--source", f"path:{league.folder}")
    with bigquery_server(project=gcp.project, location="us-west2") as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
        server.deny("bigquery.datasets.create")
        [run] = gcp("run", "phase1", *options)["data"]["runs"]
        assert run["status"] == "succeeded"
        assert len(list(gcp.documents.query(Query("row_buffer/gcp/rows")))) == 1
        server.allow()
        assert gcp("schedule", "tick", "--skip", "workflows")["data"]["rows"]["loaded"] == {EXECUTIONS: 1}
        with closing(bigquery_warehouse(server.address, project=gcp.project)) as warehouse:
            [row] = rows_of(warehouse)
    assert row["execution_id"] == run["run_id"]


def test_a_row_says_how_a_run_ended() -> None:
    failed = run(task("a", "succeeded", 0, 2), task("b", "failed", 2, 5, error=ERROR), end=5.0)
    row = execution_row(failed)
    assert row is not None
    assert (row["tasks_succeeded"], row["tasks_failed"], row["duration_seconds"]) == (1, 1, 5.0)
    assert row["error_message"] == ERROR["message"]
    assert execution_row(replace(failed, finished_at=None)) is None
    assert execution_row(replace(failed, kind="task")) is None


def test_a_run_whose_process_died_is_reported_by_the_one_that_takes_over() -> None:
    ended: list[RunRecord] = []

    def report(one: RunRecord) -> Sequence[Write]:
        ended.append(one)
        return ()

    with closing(memory_documents(FakeClock())) as store:
        ledger = Ledger(store, FakeClock(), is_dead=lambda _: True, report=report)
        died = run(task("a", "running", 0), status="running", end=None)
        ledger.start(died, supersedes=None)
        assert ended == []
        ledger.start(replace(died, run_id="run-2"), supersedes=died)
    assert [(execution_row(one) or {})["status"] for one in ended] == ["failed"]
    assert ended[0].run_id == died.run_id
