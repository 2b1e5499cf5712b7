"""Predictions killed between staging and MERGE, an export before its file appears: the same command finishes both."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

DATE = "2024-10-24"
"""The third date of the sample: the first on which a team plays again."""
pytestmark = pytest.mark.timeout(180)


def nbactl(state: Path, phase: str, faults: str = "") -> subprocess.CompletedProcess[str]:
    arguments = ["run", phase, "--date", DATE, "--state-dir", str(state), "-o", "json"]
    return run_nbactl(arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "NBACTL_FAULTS": faults})


def found(state: Path) -> tuple[int, int, int]:
    """Return how many players are expected, how many predictions there are, and how many staging tables."""
    (file,) = state.glob("data/*/warehouse.duckdb")
    with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=5.0, holder="test")) as warehouse:
        players, predictions = (
            int(warehouse.query(f"SELECT COUNT(*) FROM {table} WHERE game_date = '{DATE}'", timeout=10.0).scalar())  # noqa: S608
            for table in ("nba_precompute.ml_feature_store", "nba_predictions.player_prop_predictions")
        )
        return players, predictions, len([name for name in warehouse.list_tables() if "staging" in name])


def test_predictions_and_export_killed_on_the_way_are_finished_by_the_same_command(tmp_path: Path) -> None:
    assert nbactl(tmp_path, "phase5", "predictions.staged=kill").returncode == -9
    players, *rest = found(tmp_path)
    assert (players > 50, rest) == (True, [0, 1])
    assert nbactl(tmp_path, "phase6", "export.before_rename=kill").returncode == -9
    assert found(tmp_path) == (players, 3 * players, 0)
    assert list(tmp_path.glob("data/*/exports/*.json")) == []
    finished = nbactl(tmp_path, "phase6")
    assert finished.returncode == 0, finished.stderr
    (exported,) = tmp_path.glob(f"data/*/exports/{DATE}.json")
    assert len(json.loads(exported.read_text())["players"]) == players
    assert [run["name"] for run in json.loads(finished.stdout)["data"]["runs"]] == ["phase6"], (
        "phase 5 is not done again"
    )
