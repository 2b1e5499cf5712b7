"""A range killed anywhere and finished by the same command has the rows of its dates run one after the other."""

from __future__ import annotations

import json
import os
from random import Random
from typing import TYPE_CHECKING

import duckdb  # noqa: TID253 - reads what the processes left
import pytest

from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

DAYS = ("2024-10-22", "2024-10-23", "2024-10-24")
"""The first dates of the sample season."""
RANGE = ("--from", DAYS[0], "--to", DAYS[-1])
MOMENTS = 20 if os.environ.get("NBACTL_STRESS") else 2
MOST = {"engine.after_effect": 40, "warehouse.before_commit": 30, "warehouse.after_commit": 30}
"""Fault points, and the numbers of times that a whole run reaches them at least."""
pytestmark = pytest.mark.timeout(600)


def nbactl(state: Path, *arguments: str, faults: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NBACTL_FAULTS": faults}
    return run_nbactl([*arguments, "--state-dir", str(state), "-o", "json"], cwd=ROOT, env=environment)


def contents(state: Path) -> dict[str, list[str]]:
    (path,) = state.glob("data/*/warehouse.duckdb")
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema IN ('nba_raw', 'nba_analytics', 'nba_precompute')"
        ).fetchall()
        return {table: _rows(connection, table) for (table,) in tables}


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    found = connection.execute(f"SELECT CAST(t AS VARCHAR) FROM {table} AS t ORDER BY 1")  # noqa: S608 - ours
    return [row for (row,) in found.fetchall()]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    state = tmp_path_factory.mktemp("one-by-one")
    for day in DAYS:
        finished = nbactl(state, "run", "phase4", "--date", day)
        assert finished.returncode == 0, finished.stderr
    return contents(state)


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_inv_20_a_range_killed_at_a_random_moment_is_finished_by_the_same_command(
    tmp_path: Path, one_by_one: dict[str, list[str]], seed: int
) -> None:
    random = Random(seed)
    point = random.choice(list(MOST))
    killed = nbactl(tmp_path, "run", "phase4", *RANGE, faults=f"{point}=kill@{random.randint(1, MOST[point])}")
    assert killed.returncode == -9
    again = nbactl(tmp_path, "run", "phase4", *RANGE)
    assert again.returncode == 0, again.stderr
    assert contents(tmp_path) == one_by_one
    assert len([rows for rows in one_by_one.values() if rows]) > 12
    finished = nbactl(tmp_path, "run", "phase4", *RANGE)
    assert {run["status"] for run in json.loads(finished.stdout)["data"]["runs"]} == {"skipped"}
