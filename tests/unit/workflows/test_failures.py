"""Failures of tasks, as they are told to who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.observe.failures import Failures
from nbactl.workflows.observers import report_failures
from tests.kit.workflow import Harness, workflows

if TYPE_CHECKING:
    from nbactl.core.observe.failures import Failure


def told(harness: Harness) -> list[Failure]:
    """Run the workflow `w`, and return the failures that were told."""
    heard: list[Failure] = []
    harness.run()
    observe = report_failures(Failures(heard.append))
    for event in harness.events:
        observe(event)
    return heard


def test_inv_17_a_task_that_failed_for_good_is_reported_with_context_and_traceback() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "data"}}, "b": {"with": {"rows": 1}}}))
    [failure] = told(harness)
    assert (failure.what, failure.type, failure.code, failure.retryable) == ("task a", "DataError", "data", False)
    assert "Traceback (most recent call last)" in failure.traceback
    assert {"run_id", "workflow", "task", "game_date", "correlation_id"} <= failure.labels.keys()
    assert failure.labels["task"] == "a"


def test_a_task_that_succeeds_at_another_try_has_not_failed() -> None:
    tasks = {"a": {"with": {"raises": "unavailable", "fails": 1}, "retry": "thrice"}}
    assert told(Harness(workflows(tasks))) == []


def test_a_task_that_took_too_long_is_reported() -> None:
    [failure] = told(Harness(workflows({"a": {"with": {"sleep": 5000}}})))
    assert failure.type == "TimedOutError"
