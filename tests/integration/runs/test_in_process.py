"""`nbactl run --in-process --target gcp`: processors in this process, tables in BigQuery, the ledger in Firestore."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import shipped_config_dir
from nbactl.ports.warehouse import Rows
from tests.integration.runs.gcp_project import ANALYTICS, DAY
from tests.kit.league import League

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.ports.warehouse import Warehouse
    from tests.integration.runs.gcp_project import GcpProject

TODAY = date.fromisoformat(DAY)
OFFENSE = "team_offense_game_summary"
TABLE = f"nba_analytics.{OFFENSE}"
ROWS = f"SELECT * FROM {TABLE} ORDER BY team_abbr"  # noqa: S608


@pytest.fixture
def league(tmp_path: Path) -> League:
    return League(tmp_path, {TODAY: 20})


def in_process(gcp: GcpProject, league: League, *names: str, code: int = 0) -> list[dict[str, Any]]:
    """Run phases in process; return the runs."""
    options = ("--in-process", "--date", DAY, "--source", f"path:{league.folder}")
    runs: list[dict[str, Any]] = gcp("run", *names, *options, code=code)["data"]["runs"]
    return runs


def test_the_rows_are_those_of_local_and_the_ledger_is_in_firestore(
    gcp: GcpProject, league: League, warehouse: Warehouse
) -> None:
    runs = [*in_process(gcp, league, "phase1", "phase2"), *in_process(gcp, league, OFFENSE)]
    assert [run["status"] for run in runs] == ["succeeded"] * 3
    assert runs[2]["target"] == "gcp"
    assert gcp.services.requests == []
    league.run("phase1", "phase2", OFFENSE, days=[TODAY], state="elsewhere")
    rows = warehouse.query(ROWS, timeout=30.0).dicts()
    assert rows == league.rows(ROWS, state="elsewhere")
    assert len(rows) == 2
    document = gcp.documents.get(f"runs/{runs[2]['run_id']}/tasks/{OFFENSE}")
    assert document is not None
    assert document.data["versions"]["writes"].keys() == {TABLE}
    assert [run["status"] for run in in_process(gcp, league, OFFENSE)] == ["skipped"]
    # A partition that another program emptied is made again, as on local.
    columns = tuple(column.name for column in warehouse.table(TABLE).schema.columns)
    warehouse.replace_partitions(TABLE, [TODAY], Rows(columns, []), timeout=30.0)
    [run] = in_process(gcp, league, OFFENSE)
    assert (run["status"], run["tasks"][0]["rows"]) == ("succeeded", 2)


def test_what_a_service_did_is_not_done_again_in_process(gcp: GcpProject, warehouse: Warehouse) -> None:
    gcp.run("phase3")
    assert warehouse.list_tables("nba_analytics") == []
    options = ("--in-process", "--source", "sample")
    assert gcp("run", "phase3", "--date", DAY, *options)["data"]["runs"][0]["status"] == "skipped"
    assert len(gcp.services.of(ANALYTICS)) == 5


def test_a_task_that_only_a_service_does_is_refused_in_process_with_2(
    gcp: GcpProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "config"
    own.mkdir()
    for file in shipped_config_dir().glob("*.yaml"):
        (own / file.name).write_text(file.read_text().replace("    processor: predictions.export\n", ""))
    monkeypatch.setenv("NBACTL_CONFIG_DIR", str(own))
    error = gcp("run", "predictions_export", "--in-process", "--date", DAY, code=2)["error"]
    assert error["message"] == (
        "predictions_export cannot be run in process: none of its tasks has a processor, call or command"
    )
    assert error["next"] == "Leave out --in-process, so that the service does it."


def test_no_wait_is_refused_in_process_with_2(gcp: GcpProject) -> None:
    error = gcp("run", "phase3", "--in-process", "--no-wait", "--date", DAY, code=2)["error"]
    assert error["message"] == "--no-wait does not work with --in-process"
    assert error["next"] == "Leave out --no-wait; in a shell, `nbactl run … &` runs it in the background."


@pytest.mark.usefixtures("warehouse")
def test_local_and_gcp_with_one_state_folder_leave_each_other_fresh(gcp: GcpProject, tmp_path: Path) -> None:
    league = League(tmp_path, {TODAY - timedelta(days=1): 18, TODAY: 20})
    first = in_process(gcp, league, "phase1", "phase2")
    report = league.run("phase1", "phase2", days=[TODAY])
    assert [run.status for run in report.runs] == ["succeeded"] * 2
    again = in_process(gcp, league, "phase1", "phase2")
    assert [run["status"] for run in (*first, *again)] == ["succeeded"] * 2 + ["skipped"] * 2


def test_the_command_that_resumes_stays_in_process(gcp: GcpProject, league: League) -> None:
    options = ("--in-process", "--date", DAY, "--source", f"path:{league.folder}")
    gcp.phase("phase2")
    error = gcp("run", "phase3", *options, code=6)["error"]
    assert f"nbactl run phase1 phase2 --date {DAY} --in-process" in error["next"]
