"""Every job that nbactl starts in BigQuery says for what it was: tool, service and command, and run and task if any."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from nbactl.testing import bigquery_server
from tests.integration.runs.gcp_project import DAY
from tests.kit.league import League

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.integration.runs.gcp_project import GcpProject


def test_no_job_of_a_run_or_another_command_lacks_its_labels(
    gcp: GcpProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    league = League(tmp_path, {date.fromisoformat(DAY): 20})
    options = ("--date", DAY, "--source", f"path:{league.folder}")
    with bigquery_server(project=gcp.project, location="us-west2") as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
        begun = 0

        def jobs() -> list[dict[str, Any]]:
            nonlocal begun
            new = [job for job in server.jobs()[begun:] if job["parent"] is None]
            begun = len(server.jobs())
            return new

        runs = gcp("run", "phase1", "phase2", "--in-process", *options)["data"]["runs"]
        by_id = {run["run_id"]: run["name"] for run in runs}
        of_runs = jobs()
        for job in of_runs:
            labels = job["labels"]
            assert {name: labels.get(name) for name in ("tool", "service", "command")} == {
                "tool": "nbactl", "service": "nbactl", "command": "run",
            }  # fmt: skip
            assert labels["task"]
            if job["type"] == "LOAD" or job["statement"] != "SELECT":
                assert labels["workflow"] == by_id[labels["run_id"]]
                assert labels["game_date"] == DAY
        written = {job["labels"]["task"] for job in of_runs if job["statement"] != "SELECT"}
        assert written >= {task["name"] for task in runs[1]["tasks"] if task["rows"]}
        for words, command in (
            (("query", "SELECT COUNT(*) FROM nba_raw.games"), "query"),
            (("tables", "counts", "--from", DAY, "--to", DAY), "tables_counts"),
            (("bq", "plan", "nba_raw.games"), "bq_plan"),
        ):
            gcp(*words)
            found = jobs()
            assert found, words
            assert {job["labels"]["command"] for job in found} == {command}
            assert {job["labels"]["service"] for job in found} == {"nbactl"}
