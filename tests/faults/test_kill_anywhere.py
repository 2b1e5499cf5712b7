"""kill -9 at every dangerous instant of a run, then the same command again (invariant 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.project import Project, report, states

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

# What had its effect before the process died, and what of it the ledger did not know.
POINTS = [
    ("runner.before_lease", [], []),
    ("runner.lease_acquired", [], []),
    ("runner.before_run_recorded", [], []),
    ("runner.run_recorded", [], []),
    ("engine.before_task_start", [], []),
    ("engine.before_task_start@2", ["a"], []),
    ("engine.after_effect", ["a"], ["a"]),
    ("engine.after_effect@2", ["a", "b"], ["b"]),
    ("engine.after_task_finish", ["a"], []),
    ("engine.after_task_finish@3", ["a", "b", "c"], []),
    ("engine.before_run_finish", ["a", "b", "c"], []),
    ("runner.before_release", ["a", "b", "c"], []),
    # Commits: 1 takes the lease, 2 records the run, 3 to 8 start and finish the tasks, 9 ends the run, 10 releases.
    *((f"documents.before_commit@{n}", None, None) for n in (1, 2, 3, 4, 8, 9, 10)),
    *((f"documents.after_commit@{n}", None, None) for n in (1, 2, 4, 9, 10)),
]


@pytest.mark.parametrize(("point", "before", "unknown"), POINTS, ids=[point for point, _, _ in POINTS])
def test_inv_20_killed_at_any_instant_the_same_command_finishes(
    tmp_path: Path, point: str, before: list[str] | None, unknown: list[str] | None
) -> None:
    project = Project(tmp_path, {name: {} for name in "abc"}, execution_mode="sequential")
    name, _, hit = point.partition("@")
    killed = project.run(faults=f"{name}=kill" + (f"@{hit}" if hit else ""))
    assert killed.returncode == -9
    done = project.happened("effect")
    if before is not None:
        assert done == before
    recorded = [task.name for run in project.history() for task in run.tasks if task.status.done]
    again = project.run()
    assert again.returncode == 0, again.stderr
    run = report(again)
    assert states(run) == dict.fromkeys("abc", "succeeded")
    effects = project.happened("effect")
    # Nothing is lost; what the ledger knew as done is not done again; at most one effect was not known.
    assert set(effects) == set("abc")
    assert all(effects.count(task) == 1 for task in recorded)
    repeated = [task for task in "abc" if effects.count(task) > 1]
    assert repeated == (unknown if unknown is not None else [task for task in done if task not in recorded])
    assert len(repeated) <= 1
    # The history is true: every run has its end.
    assert [each.status for each in project.history()] in (["succeeded"], ["failed", "succeeded"])
    assert project.run().returncode == 0
    assert project.happened("effect") == effects
