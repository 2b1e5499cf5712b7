"""kill -9 around the versions of a task: between data and ledger, and before the end of the run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

DATE = "2024-10-23"
pytestmark = pytest.mark.timeout(300)


def nbactl(state: Path, *arguments: str, faults: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NBACTL_FAULTS": faults}
    return run_nbactl([*arguments, "--state-dir", str(state), "-o", "json"], cwd=ROOT, env=environment)


def runs(finished: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert finished.returncode == 0, finished.stderr
    found: list[dict[str, Any]] = json.loads(finished.stdout)["data"]["runs"]
    return found


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        # The rows of a table and their version are there; the ledger does not know.
        ("warehouse.after_commit=kill@2", True),
        # The ledger has the versions of every task; the run has no end.
        ("engine.before_run_finish=kill@2", False),
    ],
)
def test_inv_20_killed_around_the_versions_the_same_command_carries_on_and_says_so(
    tmp_path: Path, fault: str, again: bool
) -> None:
    assert nbactl(tmp_path, "run", "phase2", "--date", DATE, faults=fault).returncode == -9
    board = json.loads(nbactl(tmp_path, "status", "--date", DATE).stdout)["data"]
    assert board["phases"][1]["state"] == "interrupted"
    (phase2,) = [run for run in runs(nbactl(tmp_path, "run", "phase2", "--date", DATE)) if run["name"] == "phase2"]
    assert phase2["status"] == "succeeded"
    assert phase2["resumed_from"] is not None
    assert any(task["carried_from"] is None for task in phase2["tasks"]) is again
    finished = nbactl(tmp_path, "run", "phase2", "--date", DATE)
    assert [run["status"] for run in runs(finished)] == ["skipped"]
    assert nbactl(tmp_path, "status", "--date", DATE).returncode == 0


def test_inv_12_a_killed_recomputation_of_a_stale_date_is_finished_by_the_same_command(tmp_path: Path) -> None:
    runs(nbactl(tmp_path, "run", "phase2", "--date", DATE))
    for part in tmp_path.glob("data/*/warehouse.duckdb*"):
        part.unlink()
    killed = nbactl(tmp_path, "run", "phase2", "--date", DATE, faults="engine.after_task_finish=kill@2")
    assert killed.returncode == -9
    (phase2,) = runs(nbactl(tmp_path, "run", "phase2", "--date", DATE))
    reasons = [task["reason"] for task in phase2["tasks"] if task["carried_from"] is None]
    assert phase2["status"] == "succeeded"
    assert 0 < len(reasons) < len(phase2["tasks"])
    assert [run["status"] for run in runs(nbactl(tmp_path, "run", "phase2", "--date", DATE))] == ["skipped"]
