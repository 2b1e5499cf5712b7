"""The six behaviours: a chain of six tasks with a fault in the third, killed, interrupted, started twice."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.project import Project, kill, report, states

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)
CHAIN = [f"t{n}" for n in range(1, 7)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return chain(tmp_path)


def chain(folder: Path, **third: Any) -> Project:
    """Return a chain of six; the third waits until the file `repaired` is there, or fails without it."""
    gate = third or {"fail": str(folder / "repaired")}
    tasks = {name: {"with": gate if name == "t3" else {}} for name in CHAIN}
    uses = [{"task": name, "needs": [CHAIN[n - 1]] if n else []} for n, name in enumerate(CHAIN)]
    return Project(folder, tasks, uses)


def repair(project: Project) -> None:
    (project.folder / "repaired").touch()


def test_a_failure_exits_non_zero_and_is_in_the_history(project: Project) -> None:
    failed = project.run()
    assert failed.returncode == 1
    assert list(states(report(failed)).values()) == ["succeeded"] * 2 + ["failed"] + ["skipped"] * 3
    (run,) = project.history()
    assert run.status == "failed"
    assert states(run) == states(report(failed))
    assert "not repaired yet" in str(run.tasks[2].error)


def test_a_plain_rerun_does_only_what_has_not_succeeded(project: Project) -> None:
    first = report(project.run())
    repair(project)
    again = project.run()
    assert again.returncode == 0
    assert report(again)["resumed_from"] == first["run_id"]
    assert project.happened("effect") == CHAIN
    assert project.happened("begin") == ["t1", "t2", "t3", *CHAIN[2:]]
    assert [run.status for run in project.history()] == ["failed", "succeeded"]
    finished = project.run()
    assert (finished.returncode, report(finished)["status"]) == (0, "skipped")
    assert project.happened("effect") == CHAIN


def test_inv_20_after_kill_9_the_same_command_takes_over_and_finishes(tmp_path: Path) -> None:
    project = chain(tmp_path, wait_for=str(tmp_path / "repaired"))
    process = project.start()
    project.wait_until("begin", "t3")
    kill(process)
    repair(project)
    again = project.run()
    assert again.returncode == 0, again.stderr
    assert project.happened("effect") == CHAIN
    assert project.happened("begin") == ["t1", "t2", "t3", *CHAIN[2:]]
    dead, heir = project.history()
    assert (dead.status, heir.status) == ("failed", "succeeded")
    assert heir.resumed_from == dead.run_id
    assert states(dead) == dict(zip(CHAIN, ["succeeded"] * 2 + ["cancelled"] * 4, strict=True))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_writes_its_final_state_within_a_second(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    project = chain(tmp_path, wait_for=str(tmp_path / "repaired"))
    process = project.start()
    project.wait_until("begin", "t3")
    sent = time.monotonic()
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    took = time.monotonic() - sent
    assert process.returncode == code
    assert took < 1.0
    assert "nbactl run w" in told  # the command that resumes
    (run,) = project.history()
    assert run.status == "cancelled"
    assert states(run) == dict(zip(CHAIN, ["succeeded"] * 2 + ["cancelled"] * 4, strict=True))
    repair(project)
    assert project.run().returncode == 0
    assert project.happened("effect") == CHAIN


def test_a_second_start_is_refused_with_exit_6_and_names_the_holder(tmp_path: Path) -> None:
    project = chain(tmp_path, wait_for=str(tmp_path / "repaired"))
    process = project.start()
    project.wait_until("begin", "t3")
    refused = project.run()
    assert refused.returncode == 6
    error = json.loads(refused.stdout)["error"]
    assert error["code"] == "lease_held"
    assert f"pid {process.pid} on " in error["message"]
    assert "run run-" in error["message"]
    repair(project)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert project.happened("effect") == CHAIN
    assert len(project.history()) == 1


def test_two_starts_at_the_same_moment_are_one_run_and_one_refusal(tmp_path: Path) -> None:
    project = chain(tmp_path, wait_for=str(tmp_path / "repaired"))
    both = [project.start(), project.start()]
    while all(process.poll() is None for process in both):
        time.sleep(0.01)
    refused, winner = sorted(both, key=lambda process: process.poll() is None)
    refused.communicate(timeout=20)
    repair(project)
    winner.communicate(timeout=20)
    assert (refused.returncode, winner.returncode) == (6, 0)
    assert project.happened("effect") == CHAIN
    assert len(project.history()) == 1
