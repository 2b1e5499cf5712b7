"""A clock that jumps an hour: every lease looks expired, though its holder works on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.project import DATE, Project, report, states
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

AN_HOUR_AHEAD = """
import sys
from datetime import timedelta
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease import holder
now = SystemClock.now
SystemClock.now = lambda clock: now(clock) + timedelta(hours=1)
if sys.argv.pop(1) == "elsewhere":
    holder._host = lambda: "another-host"
from nbactl.cli.main import main
sys.exit(main())
"""


def an_hour_ahead(project: Project, place: str) -> subprocess.CompletedProcess[str]:
    """Start the workflow a second time, by a clock that is an hour ahead."""
    command = [*project.command("run", "w", "--date", DATE, "-o", "json", "--yes")[3:]]
    return subprocess.run(
        [sys.executable, "-c", AN_HOUR_AHEAD, place, *command],
        cwd=ROOT,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_inv_12_a_process_that_is_seen_to_run_keeps_its_lease(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"with": {"sleep": 6}}})
    process = project.start()
    project.wait_until("begin", "a")
    second = an_hour_ahead(project, "here")
    assert second.returncode == 6, second.stdout + second.stderr
    error = json.loads(second.stdout)["error"]
    assert error["code"] == "lease_held"
    assert "its process is still running on this machine" in error["cause"]
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert project.happened("begin") == ["a"]
    assert [run.status for run in project.history()] == ["succeeded"]


def test_inv_12_a_run_whose_lease_was_taken_over_ends_with_6_and_records_no_end(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"with": {"sleep": 3}}})
    process = project.start(faults="engine.before_run_finish=sleep:1")
    project.wait_until("begin", "a")
    second = an_hour_ahead(project, "elsewhere")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, second.returncode) == (6, 0), out + err + second.stdout
    assert json.loads(out)["error"]["code"] == "stale_fence"
    assert states(report(second)) == {"a": "succeeded"}
    first, taken_over = project.history()
    assert (first.status, taken_over.status) == ("failed", "succeeded")
    assert f"{taken_over.run_id} took over" in str(first.reason)
