from __future__ import annotations

from typing import Any

import pytest

from nbactl.errors import UnavailableError
from nbactl.workflows.model import RunStatus, TaskStatus
from tests.kit.workflow import DAY, Harness, statuses, workflows

NEEDS_A = {"task": "b", "needs": ("a",)}


def test_parallel_tasks_run_at_once_up_to_max_workers() -> None:
    harness = Harness(workflows({f"t{n}": {"with": {"sleep": 1}} for n in range(7)}, max_workers=3))
    run = harness.run_one()
    assert run.status is RunStatus.SUCCEEDED
    assert harness.world.most_at_once == 3
    assert harness.clock.monotonic() == 3  # 7 tasks of a second each, three at a time


def test_sequential_tasks_run_one_at_a_time_in_declared_order_respecting_needs() -> None:
    tasks = {name: {"with": {"sleep": 1}} for name in "dcba"}
    uses = ({"task": "d", "needs": ("a",)}, "c", "b", "a")
    harness = Harness(workflows(tasks, uses=uses, execution_mode="sequential"))
    assert harness.run_one().status is RunStatus.SUCCEEDED
    assert harness.world.order == ["c", "b", "a", "d"]
    assert harness.world.most_at_once == 1


def test_the_request_overrides_mode_and_workers() -> None:
    harness = Harness(workflows({f"t{n}": {"with": {"sleep": 1}} for n in range(4)}, max_workers=4))
    assert harness.run_one(mode="sequential").mode == "sequential"
    assert harness.world.most_at_once == 1
    harness.run(force=True, max_workers=2)
    assert harness.world.most_at_once == 2


def test_a_failure_does_not_hide_the_others_and_skips_its_dependants_with_the_reason() -> None:
    tasks: dict[str, Any] = {"a": {"with": {"raises": "data"}}, "b": {}, "c": {}, "other": {"with": {"sleep": 5}}}
    harness = Harness(workflows(tasks, uses=("a", NEEDS_A, {"task": "c", "needs": ("b",)}, "other")))
    run = harness.run_one()
    assert run.status is RunStatus.FAILED
    assert statuses(run) == {"a": "failed", "b": "skipped", "c": "skipped", "other": "succeeded"}
    assert [task.reason for task in run.tasks] == [None, "needs a, which failed", "needs b, which was skipped", None]


def test_a_failed_optional_task_makes_the_run_partial() -> None:
    harness = Harness(
        workflows({"a": {"with": {"raises": "data"}}, "b": {}}, uses=({"task": "a", "required": False}, "b"))
    )
    assert harness.run_one().status is RunStatus.PARTIAL


@pytest.mark.parametrize("raises", ["data", "value", "exit", "interrupt", "cancelled", "stop"])
def test_inv_17_whatever_a_task_raises_is_its_failure_with_type_message_and_traceback(raises: str) -> None:
    harness = Harness(workflows({"a": {"with": {"raises": raises}}, "b": {"with": {"sleep": 1}}}))
    run = harness.ledger.find(harness.run_one().run_id)
    assert statuses(run) == {"a": "failed", "b": "succeeded"}
    error = run.tasks[0].error
    assert error is not None
    assert error["type"]
    assert error["message"]
    assert "workflow_tasks.py" in error["traceback"]


def test_inv_15_a_task_that_declares_rows_must_report_them() -> None:
    run = Harness(workflows({"a": {"with": {"rows": None}}, "b": {"with": {"rows": None}, "output": "none"}})).run_one()
    assert statuses(run) == {"a": "failed", "b": "succeeded"}
    assert run.tasks[0].error is not None
    assert run.tasks[0].error["message"] == "a reported no rows"


def test_inv_15_no_rows_are_a_success_only_where_the_task_declares_it() -> None:
    run = Harness(workflows({"a": {"with": {"rows": 0}}, "b": {"with": {"rows": 0}, "no_data": "ok"}})).run_one()
    assert statuses(run) == {"a": "failed", "b": "no_data"}
    assert run.tasks[1].rows == 0


def test_transient_errors_are_retried_by_the_policy_and_the_attempts_are_recorded() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "unavailable", "fails": 2}, "retry": "thrice"}}))
    run = harness.run_one()
    assert run.status is RunStatus.SUCCEEDED
    assert run.tasks[0].attempts == 3
    assert run.tasks[0].error is None
    assert harness.clock.monotonic() == 2 + 4
    retries = [event for event in harness.events if event.kind == "task_retrying"]
    assert [event.message for event in retries] == [
        "attempt 1 failed, next in 2.0s: the backend is away",
        "attempt 2 failed, next in 4.0s: the backend is away",
    ]


def test_jitter_is_drawn_from_the_injected_random_numbers() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "unavailable", "fails": 2}, "retry": "jittered"}}))
    harness.run()
    assert 0 < harness.clock.monotonic() < 6


def test_inv_16_permanent_errors_are_not_retried_and_transient_ones_not_for_ever() -> None:
    tasks = {
        "permanent": {"with": {"raises": "data"}, "retry": "thrice"},
        "transient": {"with": {"raises": "unavailable"}, "retry": "thrice"},
        "unforeseen": {"with": {"raises": "value"}, "retry": "thrice"},
    }
    harness = Harness(workflows(tasks))
    harness.run()
    assert harness.world.tries == {"permanent": 1, "transient": 3, "unforeseen": 1}


def test_a_task_that_takes_too_long_is_timed_out_and_cancelled() -> None:
    harness = Harness(workflows({"a": {"with": {"sleep": 10}, "timeout": "short"}, "b": {}}))
    run = harness.run_one()
    assert statuses(run) == {"a": "timed_out", "b": "succeeded"}
    assert run.tasks[0].error is not None
    assert "longer than 5.0s" in run.tasks[0].error["message"]
    assert harness.clock.monotonic() == 5
    assert ("end", "a") in harness.world.events  # the coroutine was unwound, not abandoned


def test_the_timeout_bounds_each_attempt() -> None:
    harness = Harness(workflows({"a": {"with": {"sleep": 10}, "timeout": "short", "retry": "thrice"}}))
    assert harness.run_one().tasks[0].attempts == 3
    assert harness.clock.monotonic() == 5 + 2 + 5 + 4 + 5


def test_a_task_that_swallows_its_cancellation_is_left_behind() -> None:
    harness = Harness(workflows({"a": {"call": "tests.kit.workflow_tasks:deaf", "timeout": "short"}, "b": {}}))
    run = harness.run_one()
    assert statuses(run) == {"a": "timed_out", "b": "succeeded"}


def test_the_run_deadline_stops_what_runs_and_keeps_the_rest_from_starting() -> None:
    tasks = {"a": {"with": {"sleep": 20}}, "b": {"with": {"sleep": 20}}, "c": {}}
    harness = Harness(workflows(tasks, execution_mode="sequential", deadline="soon"))
    run = harness.run_one()
    assert run.status is RunStatus.FAILED
    assert statuses(run) == {"a": "succeeded", "b": "timed_out", "c": "skipped"}
    assert run.reason == "the run's deadline of 30s passed"
    assert harness.clock.monotonic() == 30


def test_a_deadline_that_costs_only_optional_tasks_leaves_a_partial_run() -> None:
    tasks = {"a": {}, "b": {"with": {"sleep": 50}}}
    harness = Harness(workflows(tasks, uses=("a", {"task": "b", "required": False}), deadline="soon"))
    assert harness.run_one().status is RunStatus.PARTIAL


def test_the_request_overrides_the_deadline() -> None:
    harness = Harness(workflows({"a": {"with": {"sleep": 20}}}, deadline="soon"))
    assert harness.run_one(timeout=10.0).reason == "the run's deadline of 10s passed"


def test_cancelling_stops_what_runs_and_records_every_task() -> None:
    harness = Harness(
        workflows({"a": {"with": {"sleep": 50}}, "b": {}, "c": {}}, uses=("a", "b", {"task": "c", "needs": ("a",)}))
    )

    def cancel_after_b(_: object) -> None:
        if harness.world.events[-1:] == [("end", "b")]:
            harness.cancellation.request("SIGINT")

    report = harness.runner.execute(harness.request(), observer=cancel_after_b, cancellation=harness.cancellation)
    (run,) = report.runs
    assert report.interrupted_by == "SIGINT"
    assert run.status is RunStatus.CANCELLED
    assert statuses(run) == {"a": "cancelled", "b": "succeeded", "c": "cancelled"}
    assert harness.ledger.find(run.run_id) == run
    assert harness.leases.current(f"w/{DAY}") is None


def test_a_run_cancelled_while_it_waits_to_retry_ends_at_once() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "unavailable"}, "retry": "thrice"}}))

    def cancel(event: object) -> None:
        if getattr(event, "kind", "") == "task_retrying":
            harness.cancellation.request("SIGTERM")

    report = harness.runner.execute(harness.request(), observer=cancel, cancellation=harness.cancellation)
    assert statuses(report.runs[0]) == {"a": "cancelled"}
    assert harness.world.tries == {"a": 1}
    assert harness.clock.monotonic() == 0


def test_observers_are_notified_after_the_change_is_in_the_ledger() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "unavailable", "fails": 1}, "retry": "thrice"}, "b": {}}))
    seen = []

    def look(event: object) -> None:
        kind, run, task = getattr(event, "kind"), getattr(event, "run"), getattr(event, "task")  # noqa: B009
        recorded = harness.ledger.find(run.run_id)
        if task is not None:
            assert {each.name: each for each in recorded.tasks}[task.name] == task
        assert recorded == run
        seen.append(kind)

    harness.runner.execute(harness.request(), observer=look, cancellation=harness.cancellation)
    assert seen[0] == "run_started"
    assert seen[-1] == "run_finished"
    assert seen.count("task_retrying") == 1


def test_a_run_does_not_go_on_when_the_ledger_fails() -> None:
    harness = Harness(
        workflows({"a": {}, "b": {"with": {"sleep": 5}}, "c": {}}, uses=("a", "b", {"task": "c", "needs": ("a",)}))
    )
    commit, broken = harness.documents.commit, UnavailableError("the disk is full")
    commits = 0

    def fail_fourth(writes: object) -> object:
        nonlocal commits
        commits += 1
        if commits == 4:  # recorded, a started, b started, then the end of a
            raise broken
        return commit(writes)

    harness.documents.commit = fail_fourth
    with pytest.raises(UnavailableError, match="disk is full"):
        harness.run()
    assert "c" not in harness.world.order
    assert harness.leases.current(f"w/{DAY}") is None
    run = harness.ledger.find("last")
    assert run.status is RunStatus.FAILED
    assert not any(task.status in (TaskStatus.RUNNING, TaskStatus.PENDING) for task in run.tasks)


def test_a_bug_in_an_observer_stops_the_run_and_comes_out() -> None:
    harness = Harness(workflows({"a": {}, "b": {"with": {"sleep": 5}}}))

    def broken(event: object) -> None:
        if getattr(event, "kind", "") == "task_finished":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        harness.runner.execute(harness.request(), observer=broken, cancellation=harness.cancellation)
    assert harness.ledger.find("last").status is RunStatus.FAILED
    assert harness.leases.current(f"w/{DAY}") is None


def test_a_task_knows_its_run_its_deadline_and_its_fencing_token() -> None:
    harness = Harness(workflows({"a": {"call": "tests.kit.workflow_tasks:contextual", "timeout": "short"}}))
    run = harness.run_one()
    detail = run.tasks[0].detail
    assert detail["run_id"] == run.run_id
    assert (detail["task"], detail["workflow"], detail["game_date"], detail["attempt"]) == ("a", "w", str(DAY), "1")
    assert detail["remaining"] == 5
    assert detail["fencing_token"] > 0
