"""Every key that says how tasks run has a test that fails if the key is ignored (invariant 22)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.config import task_functions
from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    task_functions.SEEN.clear()
    task_functions.GATE.set()
    return Project(tmp_path, capsys)


def statuses(run: dict[str, Any]) -> dict[str, str]:
    return {task["name"]: task["status"] for task in run["tasks"]}


def declare(project: Project, kind: str, *tasks: Any, **keys: Any) -> str:
    """Declare a phase or a workflow and return its name."""
    if kind == "phase":
        project.phase(*tasks, **keys)
        return "p"
    project.workflow(*tasks, **keys)
    return "w"


KINDS = pytest.mark.parametrize("kind", ["phase", "workflow"])


def both(key: str) -> tuple[str, str]:
    return f"workflows.yaml: phases.*.{key}", f"workflows.yaml: workflows.*.{key}"


@KINDS
@proves(*both("execution_mode"))
def test_inv_22_execution_mode(project: Project, kind: str) -> None:
    for mode, together in (("parallel", 2), ("sequential", 1)):
        task_functions.SEEN.clear()
        for name in "ab":
            project.call(name, "crowd", **{"with": {"company": together}})
        project.run(declare(project, kind, "a", "b", execution_mode=mode), "--force")
        assert max(task_functions.SEEN) == together


@KINDS
@proves(*both("max_workers"))
def test_inv_22_max_workers(project: Project, kind: str) -> None:
    for workers in (2, 3):
        task_functions.SEEN.clear()
        for name in "abcd":
            project.call(name, "crowd", **{"with": {"company": workers}})
        project.run(declare(project, kind, *"abcd", max_workers=workers), "--force")
        assert max(task_functions.SEEN) == workers


@KINDS
@proves(*both("deadline"), "timeouts.yaml: deadlines.*.limit")
def test_inv_22_deadline(project: Project, kind: str) -> None:
    why = "A reason of ten letters"
    project.timeouts["deadlines"]["now"] = {"limit": "250ms", "why": why}
    project.timeouts["retry_policies"]["again"] = {"attempts": 99, "base": "1ms", "cap": "1ms", "why": why}
    project.timeout("quick", "100ms")
    project.timeout("run.stop_grace", "20ms")
    for name in "ab":
        project.call(name, "gate", timeout="quick", retry="again")
    chain = ["a", {"task": "b", "needs": ["a"]}]
    assert set(statuses(project.run(declare(project, kind, *chain))[0]).values()) == {"succeeded"}
    task_functions.GATE.clear()
    [run] = project.run(declare(project, kind, *chain, deadline="now"), "--force")
    task_functions.GATE.set()
    assert statuses(run) == {"a": "timed_out", "b": "skipped"}
    assert run["tasks"][0]["attempts"] < 99


@KINDS
@proves(*both("tasks[].task"), *both("tasks[].needs"))
def test_inv_22_needs(project: Project, kind: str) -> None:
    project.call("a", "note")
    project.call("b", "note")
    project.run(declare(project, kind, {"task": "a", "needs": ["b"]}, "b"))
    assert [name for name, _ in task_functions.SEEN] == ["b", "a"]


@KINDS
@proves(*both("tasks[].required"))
def test_inv_22_required(project: Project, kind: str) -> None:
    project.call("bad", "fail")
    project.call("good", "one")
    for required, status in ((True, "failed"), (False, "partial")):
        [run] = project.run(declare(project, kind, {"task": "bad", "required": required}, "good"), "--force")
        assert run["status"] == status


@proves("workflows.yaml: phases.*.needs")
def test_inv_22_needs_of_a_phase(project: Project) -> None:
    project.call("a", "one")
    project.workflows["phases"]["first"]["tasks"] = ["a"]
    project.phase("a", needs=["first"])
    assert [run["name"] for run in project.run("p")] == ["first", "p"]


@proves("workflows.yaml: tasks.*.timeout", "timeouts.yaml: timeouts.*.limit")
def test_inv_22_timeout(project: Project) -> None:
    project.timeout("quick", "100ms")
    project.timeout("run.stop_grace", "20ms")
    project.call("a", "gate", timeout="quick")
    task_functions.GATE.clear()
    assert statuses(project.run("a")[0]) == {"a": "timed_out"}
    task_functions.GATE.set()
    project.timeout("quick", "20s")
    assert statuses(project.run("a")[0]) == {"a": "succeeded"}


@proves("workflows.yaml: tasks.*.retry", "timeouts.yaml: retry_policies.*.attempts")
@pytest.mark.parametrize(("attempts", "status"), [(1, "failed"), (2, "failed"), (3, "succeeded")])
def test_inv_22_retry(project: Project, attempts: int, status: str) -> None:
    why = "A reason of ten letters"
    project.timeouts["retry_policies"]["again"] = {"attempts": attempts, "base": "1ms", "cap": "1ms", "why": why}
    project.call("a", "flaky", retry="again", **{"with": {"tries": 3}})
    [task] = project.run("a")[0]["tasks"]
    assert (task["status"], task["attempts"]) == (status, attempts)


@proves("timeouts.yaml: retry_policies.*.base", "timeouts.yaml: retry_policies.*.factor")
@proves("timeouts.yaml: retry_policies.*.cap", "timeouts.yaml: retry_policies.*.jitter")
def test_inv_22_the_pauses_between_attempts(project: Project) -> None:
    policy: dict[str, Any] = {"attempts": 4, "base": "100ms", "cap": "150ms", "factor": 1, "jitter": False}
    project.timeouts["retry_policies"]["again"] = {**policy, "why": "A reason of ten letters"}
    project.call("a", "flaky", retry="again", **{"with": {"tries": 3}})
    for factor, pauses in ((1, (0.1, 0.1)), (90, (0.1, 0.15))):
        task_functions.SEEN.clear()
        project.timeouts["retry_policies"]["again"]["factor"] = factor
        project.run("a", "--force")
        one, two, three = task_functions.SEEN
        assert pauses[0] <= two - one < 5
        assert pauses[1] <= three - two < 5  # 0.1 * 90 without the cap
    config = project.load()
    assert config.timeouts.retry_policies["again"].policy("again").jitter is False


@proves("workflows.yaml: tasks.*.no_data")
def test_inv_22_no_data(project: Project) -> None:
    project.call("a", "nothing")
    assert statuses(project.run("a")[0]) == {"a": "failed"}
    project.call("a", "nothing", no_data="ok")
    assert statuses(project.run("a")[0]) == {"a": "no_data"}


@proves("workflows.yaml: tasks.*.quarantine.warn_above", "workflows.yaml: tasks.*.quarantine.fail_above")
@pytest.mark.parametrize(
    ("limits", "status", "warns"),
    [
        (None, "succeeded", False),
        ({"warn_above": 0.4, "fail_above": 0.5}, "succeeded", False),
        ({"warn_above": 0.3, "fail_above": 0.5}, "succeeded", True),
        ({"warn_above": 0.1, "fail_above": 0.3}, "failed", False),
    ],
)
def test_inv_22_quarantine(project: Project, limits: dict[str, float] | None, status: str, warns: bool) -> None:
    project.call("a", "refuse", **({"quarantine": limits} if limits else {}), **{"with": {"rows": 6, "refused": 4}})
    document = project.command("run", "a", "--date", "2024-01-15")
    [task] = document["data"]["runs"][0]["tasks"]
    assert task["status"] == status
    said = "a: 4 of 10 records of 2024-01-15 are in quarantine (40%)"
    assert document["warnings"] == [f"{said}: bad_value 4"] * warns
    assert (task["error"] or {}).get("message") == (said if status == "failed" else None)


@proves("workflows.yaml: tasks.*.reads")
@pytest.mark.parametrize("how", ["task", "only"])
def test_inv_22_reads(project: Project, how: str) -> None:
    project.call("a", "one")
    project.call("broken", "fail")
    project.workflows["phases"]["first"]["tasks"] = ["a", "broken"]
    for day, reads, ran, status in ((15, [], {"a", "broken"}, "skipped"), (16, ["a"], {"a"}, "succeeded")):
        project.call("b", "one", reads=reads)
        project.call("c", "one")
        project.phase("b", "c", needs=["first"])
        arguments = ("b",) if how == "task" else ("p", "--only", "b")
        first, second = project.run(*arguments, date=f"2024-01-{day}")
        assert {task["name"] for task in first["tasks"] if task["status"] != "skipped"} == ran
        assert second["status"] == status
    assert "broken" in statuses(project.run("p", date="2024-01-16")[0])


@proves("workflows.yaml: tasks.*.output")
def test_inv_22_output(project: Project) -> None:
    project.call("a", "silent")
    assert statuses(project.run("a")[0]) == {"a": "failed"}
    project.call("a", "silent", output="none")
    assert statuses(project.run("a")[0]) == {"a": "succeeded"}


@proves("workflows.yaml: tasks.*.isolate", "workflows.yaml: tasks.*.call")
def test_inv_22_isolate(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    for isolate, here in (("none", True), ("process", False)):
        project.call("a", "process", isolate=isolate, **{"with": {"file": str(file)}})
        project.run("a", "--force")
        assert (int(file.read_text()) == os.getpid()) is here


@proves("workflows.yaml: tasks.*.with")
def test_inv_22_with(project: Project) -> None:
    project.call("a", "note", **{"with": {"limit": 3, "names": ["x", "y"]}})
    project.run("a")
    assert task_functions.SEEN == [("a", {"limit": 3, "names": ("x", "y")})]


def test_what_tasks_warn_of_and_note_is_said_once_at_the_end_of_the_run(project: Project) -> None:
    for name in "ab":
        project.call(name, "remark", **{"with": {"warnings": ["mind the gap"], "notes": ["x.csv: passed over"]}})
    project.workflow("a", "b")
    document = project.command("run", "w", "--date", "2024-01-15")
    assert document["warnings"] == ["mind the gap"]
    assert project.captured.err.count("warning: mind the gap") == 1
    assert project.captured.err.count("x.csv: passed over") == 1
    again = project.command("run", "w", "--date", "2024-01-15")
    assert again["warnings"] == []
    assert "passed over" not in project.captured.err


@proves("workflows.yaml: tasks.*.command")
def test_inv_22_command(project: Project) -> None:
    command = ["sh", "-c", 'echo "{\\"rows\\": 7}"']
    project.workflows["tasks"]["a"] = {"description": "A", "command": command, "timeout": "task.fetch"}
    [task] = project.run("a")[0]["tasks"]
    assert (task["status"], task["rows"]) == ("succeeded", 7)


@proves("workflows.yaml: tasks.*.processor")
def test_inv_22_processor(project: Project) -> None:
    task = {"processor": "collect", "with": {"dataset": "schedule"}, "timeout": "task.fetch"}
    project.workflows["tasks"]["a"] = {"description": "Collects", **task}
    [done] = project.run("a", date="latest")[0]["tasks"]
    assert done["status"] == "succeeded"
    assert done["rows"] > 0


@pytest.mark.parametrize("event", ["run_failed", "run_partial"])
@proves("workflows.yaml: alerts.run_failed.severity", "workflows.yaml: alerts.run_failed.channels")
@proves("workflows.yaml: alerts.run_partial.severity", "workflows.yaml: alerts.run_partial.channels")
def test_inv_22_alerts(project: Project, event: str, caplog: pytest.LogCaptureFixture) -> None:
    project.call("bad", "fail")
    project.call("good", "one")
    project.workflow({"task": "bad", "required": event == "run_failed"}, "good")
    for severity, channels in (("warning", ["console"]), ("critical", ["log"]), ("info", ["console", "log"])):
        caplog.clear()
        project.workflows["alerts"][event] = {"severity": severity, "channels": channels}
        project.run("w", "--force")
        logged = [record.levelname for record in caplog.records if getattr(record, "alert", "").startswith(f"{event}/")]
        assert logged == ([severity.upper()] if "log" in channels else [])
        assert (f"alert ({severity}): w " in project.captured.err) is ("console" in channels)


@proves("timeouts.yaml: leases.*.ttl", "timeouts.yaml: leases.*.renew_every")
def test_inv_22_leases(project: Project, tmp_path: Path) -> None:
    store = str(tmp_path / "state" / "documents.db")
    for ttl, renew_every, renewed, wait in (("30s", "50ms", True, task_functions.LONG), ("90s", "30s", False, 0.4)):
        task_functions.SEEN.clear()
        project.call("a", "lease", **{"with": {"store": store, "wait": wait}})
        project.timeouts["leases"]["run"] |= {"ttl": ttl, "renew_every": renew_every}
        project.run("a", "--force")
        left, moved = task_functions.SEEN
        assert int(ttl[:-1]) - 5 < left <= int(ttl[:-1])
        assert (moved > 0) is renewed
