"""Commands and isolated tasks: what they are told, what they report, and that none of them outlives its run."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.observe.logging.cloud import LABELS
from tests.faults.project import DATE, Project, kill, processes_with, report, states, wait_for_death

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)


def sh(script: str, **more: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", script], "timeout": "task.short", **more}


def logged(project: Project, run: dict[str, Any]) -> list[dict[str, Any]]:
    log = project.state / "logs" / f"{run['run_id']}.jsonl"
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_command_receives_what_it_works_on_and_reports_its_rows(tmp_path: Path) -> None:
    script = (
        'echo "$NBACTL_RUN_ID $NBACTL_TASK $NBACTL_GAME_DATE $NBACTL_ATTEMPT $NBACTL_FENCE_TOKEN"; echo \'{"rows": 7}\''
    )
    project = Project(tmp_path, {"a": sh(script)})
    run = report(project.run())
    (task,) = run["tasks"]
    assert (task["status"], task["rows"]) == ("succeeded", 7)
    said = next(entry["message"] for entry in logged(project, run) if entry["message"].startswith("run-"))
    run_id, name, date, attempt, token = said.split()
    assert (run_id, name, date, attempt) == (run["run_id"], "a", DATE, "1")
    assert int(token) > 0


def test_the_output_of_a_command_is_in_the_log_of_its_run(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": sh("echo to stdout; echo to stderr >&2; printf unfinished", output="none")})
    run = report(project.run())
    said = {entry["message"]: entry for entry in logged(project, run)}
    assert said["to stdout"]["stream"] == "stdout"
    assert said["to stderr"]["stream"] == "stderr"
    assert "unfinished" in said
    assert said["to stdout"][LABELS]["task"] == "a"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first >&2; echo broken pipe >&2; exit 3", "exit code 3: broken pipe"),
        ("kill -TERM $$", "killed by signal 15"),
        ("echo no rows", "reported no rows"),
        ('echo \'{"rows": "many"}\'', "reported rows as 'many'"),
        ("echo '{\"rows\": 3'", "reported no rows"),
    ],
)
def test_a_command_that_fails_or_reports_no_rows_is_a_failed_task(tmp_path: Path, script: str, message: str) -> None:
    finished = Project(tmp_path, {"a": sh(script)}).run()
    (task,) = report(finished)["tasks"]
    assert finished.returncode == 1
    assert task["status"] == "failed"
    assert message in task["error"]["message"]


def test_a_command_that_does_not_exist_is_a_failed_task(tmp_path: Path) -> None:
    (task,) = report(Project(tmp_path, {"a": {"command": ["no-such-program"]}}).run())["tasks"]
    assert task["status"] == "failed"
    assert "127" in task["error"]["message"]


def test_a_command_that_times_out_is_killed_with_all_its_children(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": sh('trap "" TERM; sleep 61 & sleep 62 & wait; sleep 63')})
    run = report(project.run())
    assert states(run) == {"a": "timed_out"}
    assert processes_with(run["run_id"]) == []


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": sh("sleep 61 & echo '{\"rows\": 1}'")})
    run = report(project.run())
    assert states(run) == {"a": "succeeded"}
    assert processes_with(run["run_id"]) == []


def test_inv_20_kill_9_of_a_run_leaves_no_orphans(tmp_path: Path) -> None:
    waits = {"child": True, "sleep": 60}
    project = Project(
        tmp_path,
        {
            "a": {"command": ["sh", "-c", 'trap "" TERM HUP INT; sleep 61 & touch "$JOURNAL.a"; sleep 62; sleep 63']},
            "b": {"with": waits, "isolate": "process"},
        },
    )
    process = project.start()
    isolated = project.wait_until("begin", "b")[3]
    while not (tmp_path / "journal.a").exists():
        time.sleep(0.01)
    marker = f"JOURNAL={project.journal}"
    assert isolated in processes_with(marker)
    assert len(processes_with(marker)) >= 5
    kill(process)
    wait_for_death(isolated)
    end = time.monotonic() + 5
    while processes_with(marker) and time.monotonic() < end:
        time.sleep(0.02)
    assert processes_with(marker) == []


def test_an_interrupted_run_ends_its_children_within_a_second(tmp_path: Path) -> None:
    deaf = sh('trap "" TERM INT; touch "$JOURNAL.a"; sleep 61; sleep 62', timeout="task.test")
    project = Project(tmp_path, {"a": deaf, "b": {"with": {"sleep": 60}, "isolate": "process"}})
    process = project.start()
    project.wait_until("begin", "b")
    while not (tmp_path / "journal.a").exists():
        time.sleep(0.01)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - sent < 1.2
    assert process.returncode == 130
    assert states(project.history()[0]) == {"a": "cancelled", "b": "cancelled"}
    assert processes_with(f"JOURNAL={project.journal}") == []


def test_an_isolated_task_runs_in_another_process_and_reports_its_rows(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"isolate": "process"}, "b": {}})
    run = report(project.run())
    assert states(run) == {"a": "succeeded", "b": "succeeded"}
    assert [task["rows"] for task in run["tasks"]] == [1, 1]
    pids = {line[1]: line[3] for line in project.lines() if line[0] == "effect"}
    assert pids["a"] != pids["b"]
    tokens = {line[4] for line in project.lines()}
    assert len(tokens) == 1


def test_inv_17_what_an_isolated_task_raises_comes_with_its_type_and_traceback(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"isolate": "process", "with": {"fail": str(tmp_path / "never")}}})
    (task,) = report(project.run())["tasks"]
    assert (task["error"]["type"], task["error"]["message"]) == ("ValueError", "not repaired yet")
    assert "fault_tasks.py" in task["error"]["traceback"]


def test_an_isolated_task_that_times_out_is_killed_before_it_has_an_effect(tmp_path: Path) -> None:
    project = Project(
        tmp_path, {"a": {"isolate": "process", "timeout": "task.slow_start", "with": {"sleep": 3, "child": True}}}
    )
    run = report(project.run())
    assert states(run) == {"a": "timed_out"}
    assert processes_with(run["run_id"]) == []
    time.sleep(0.2)
    assert project.happened("effect") == []


def test_an_isolated_task_whose_process_dies_is_a_failed_task(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a": {"isolate": "process", "with": {"sleep": 30}}})
    process = project.start()
    import os  # noqa: PLC0415

    os.kill(project.wait_until("begin", "a")[3], signal.SIGKILL)
    out, _ = process.communicate(timeout=20)
    (task,) = json.loads(out)["data"]["runs"][0]["tasks"]
    assert task["status"] == "failed"
    assert "killed by signal 9" in task["error"]["message"]
