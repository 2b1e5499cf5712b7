"""What the instrumentation hook is told of runs and tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.core.observe.metrics import Metrics
from nbactl.workflows.model import RunEvent
from nbactl.workflows.observers import emit_events
from tests.kit.workflow import Harness, workflows

if TYPE_CHECKING:
    from nbactl.core.observe.events import Event


def told(harness: Harness) -> list[tuple[str, str, dict[str, Any]]]:
    """Run the workflow `w`, and return what the hook heard."""
    heard: list[Event] = []
    harness.run()
    for event in harness.events:
        emit_events(heard.append)(event)
    return [(event.kind, event.name, dict(event.fields)) for event in heard]


def test_a_run_is_reported_from_its_begin_to_its_end_and_named_after_its_workflow() -> None:
    harness = Harness(
        workflows({"a": {"with": {"sleep": 4, "raises": "unavailable", "fails": 1, "rows": 7}, "retry": "thrice"}})
    )
    ended = {"status": "succeeded", "seconds": 10.0, "at": harness.clock.now().timestamp() + 10.0}
    assert told(harness) == [
        ("run.started", "w", {}),
        ("task.started", "a", {}),
        ("task.retried", "a", {"attempt": 2}),
        ("task.finished", "a", {"status": "succeeded", "seconds": 10.0, "rows": 7, "attempts": 2}),  # 4 + 2 + 4
        ("run.finished", "w", ended),
    ]


def test_a_task_that_never_began_took_no_time() -> None:
    tasks = {"a": {"with": {"raises": "data"}}, "b": {}}
    heard = told(Harness(workflows(tasks, uses=("a", {"task": "b", "needs": ("a",)}))))
    assert ("task.finished", "b", {"status": "skipped", "seconds": None, "rows": None, "attempts": 0}) in heard
    assert heard[-1][2]["status"] == "failed"


def test_a_deadline_that_ends_a_run_is_reported() -> None:
    heard = told(Harness(workflows({"a": {"with": {"sleep": 50}}}, deadline="soon")))
    assert [kind for kind, _, _ in heard][-2:] == ["deadline.fired", "run.finished"]
    assert heard[-2] == ("deadline.fired", "w", {})
    harness = Harness(workflows({"a": {}}, deadline="soon"))
    assert "deadline.fired" not in [kind for kind, _, _ in told(harness)]
    cancelled = replace(harness.run_one(force=True), reason="interrupted (Ctrl-C)")
    ends: list[Event] = []
    emit_events(ends.append)(RunEvent("run_finished", cancelled))
    assert [event.kind for event in ends] == ["run.finished"]


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    harness = Harness(workflows({"a": {}}))
    run = harness.run_one()
    back = replace(run, finished_at=run.started_at - timedelta(hours=1))
    heard: list[Event] = []
    emit_events(heard.append)(RunEvent("run_finished", back))
    assert heard[0].fields["seconds"] == 0.0


def test_the_metrics_take_all_that_a_run_tells() -> None:
    metrics = Metrics()
    harness = Harness(workflows({"a": {}, "b": {"with": {"raises": "data"}}}))
    harness.run()
    for event in harness.events:
        emit_events(metrics.hook)(event)
    text = metrics.exposition().decode()
    assert 'nbactl_runs_total{name="w",status="failed"} 1.0' in text
    assert 'nbactl_tasks_total{status="succeeded",task="a"} 1.0' in text
    assert 'nbactl_tasks_total{status="failed",task="b"} 1.0' in text
