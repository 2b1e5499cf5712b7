"""Work that goes on after it was given up: late threads, a lost lease, a request to stop from outside."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.project import DATE, Project, report, states

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)


def test_inv_12_a_late_attempt_cannot_write_while_or_after_the_next_one_runs(tmp_path: Path) -> None:
    late = {"slow_attempt": 1, "slow": 1.2}
    tasks: dict[str, dict[str, Any]] = {
        "a": {"with": late, "timeout": "task.short", "retry": "twice"},
        "b": {"with": {"sleep": 2.5}},
    }
    project = Project(tmp_path, tasks)
    run = report(project.run())
    assert states(run) == {"a": "succeeded", "b": "succeeded"}
    assert run["tasks"][0]["attempts"] == 2
    # Attempt 1 woke up long before the process ended, and was refused.
    assert [(line[1], line[2]) for line in project.lines() if line[0] == "effect" and line[1] == "a"] == [("a", 2)]


def test_a_thread_that_hangs_does_not_hold_up_the_end_of_the_process(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"with": {"sleep": 60}, "timeout": "task.short"}})
    began = time.monotonic()
    assert states(report(project.run())) == {"a": "timed_out"}
    assert time.monotonic() - began < 30


def test_inv_12_a_run_that_lost_its_lease_stops_and_can_write_no_more(tmp_path: Path) -> None:
    store = str(tmp_path / "state" / "documents.db")
    project = Project(
        tmp_path, {"a": {"call": "fault_tasks:steal_lease", "with": {"store": store}}, "b": {"with": {"sleep": 50}}}
    )
    finished = project.run()
    assert finished.returncode == 6
    error = json.loads(finished.stdout)["error"]
    assert (error["code"], error["next"]) == (
        "stale_fence",
        f"See who works on it: nbactl runs list --name w --date {DATE}",
    )
    assert "taken over" in error["message"]
    # Refused at once by the heartbeat, not when the run came to stop the task.
    assert [line[0] for line in project.lines() if "StaleFenceError" in line[0] and "taken over" in line[0]]
    assert project.happened("effect") == []
    # How it ended is not recorded: that belongs to the run that has the lease.
    (recorded,) = project.history()
    assert recorded.status == "running"


def test_a_run_can_be_cancelled_from_another_process(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"call": "fault_tasks:work_async", "with": {"sleep": 50}}, "b": {}})
    process = project.start()
    project.wait_until("begin", "a")
    project.wait_until("effect", "b")
    (run,) = project.history()
    assert project.nbactl("runs", "cancel", run.run_id, "--yes").returncode == 0
    process.communicate(timeout=20)
    (ended,) = project.history()
    assert ended.status == "cancelled"
    assert states(ended) == {"a": "cancelled", "b": "succeeded"}
    assert project.happened("effect") == ["b"]


def test_inv_12_the_lease_is_renewed_while_a_task_blocks_the_event_loop(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    project = Project(tmp_path, {"a": {"call": "fault_tasks:block", "with": {"wait_for": str(go_on)}}})
    process = project.start()
    project.wait_until("begin", "a")
    time.sleep(2)  # twice the life of the lease
    refused = project.run().returncode
    go_on.touch()
    assert refused == 6
    process.communicate(timeout=20)
    assert process.returncode == 0
