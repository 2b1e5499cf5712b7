"""The real pipeline on the sample season: killed on the way, finished by the same command, with the same tables."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

DATE = "2024-10-25"
"""An early date: few earlier ones are filled in."""
pytestmark = pytest.mark.timeout(180)


def nbactl(state: Path, *arguments: str, faults: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NBACTL_FAULTS": faults}
    return run_nbactl([*arguments, "--state-dir", str(state), "-o", "json"], cwd=ROOT, env=environment)


def rows(finished: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert finished.returncode == 0, finished.stderr
    runs = json.loads(finished.stdout)["data"]["runs"]
    return {task["name"]: task["rows"] for run in runs if run["name"] == "phase3" for task in run["tasks"]}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    return rows(nbactl(tmp_path_factory.mktemp("undisturbed"), "run", "phase3", "--date", DATE))


@pytest.mark.parametrize(
    "fault", ["engine.after_effect=kill@2", "engine.after_effect=kill@6", "engine.after_effect=kill@11"]
)
def test_inv_20_the_pipeline_killed_in_any_phase_is_finished_by_the_same_command(
    tmp_path: Path, undisturbed: dict[str, int], fault: str
) -> None:
    assert nbactl(tmp_path, "run", "phase3", "--date", DATE, faults=fault).returncode == -9
    again = nbactl(tmp_path, "run", "phase3", "--date", DATE)
    assert rows(again) == undisturbed
    assert len(undisturbed) == 5
    resumed = [run for run in json.loads(again.stdout)["data"]["runs"] if run["resumed_from"]]
    assert len(resumed) == 1
    finished = nbactl(tmp_path, "run", "phase3", "--date", DATE)
    assert [run["status"] for run in json.loads(finished.stdout)["data"]["runs"]] == ["skipped"]
