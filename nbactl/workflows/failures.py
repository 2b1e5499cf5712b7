"""Tells who listens to failures of those that end a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.observe.context import current
from nbactl.core.observe.failures import Failure
from nbactl.core.observe.logging import mask
from nbactl.workflows.eventlog import run_context
from nbactl.workflows.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from nbactl.core.observe.failures import Failures
    from nbactl.workflows.model import Observer, RunEvent

_FAILED: Final = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)


def reporting(observer: Observer, failures: Failures) -> Observer:
    """Return `observer` as one that tells `failures` of each task that failed for good as well.

    It is what the ledger keeps: a task may have run in another process, so that its error itself is gone.
    """

    def observe(event: RunEvent) -> None:
        observer(event)
        task = event.task
        if event.kind != "task_finished" or task is None or task.status not in _FAILED or not task.error:
            return
        with run_context(event.run, task):
            failures.tell(_failure(f"task {task.name}", task.error))

    return observe


def _failure(what: str, error: Mapping[str, Any]) -> Failure:
    def text(name: str) -> str | None:
        return mask(str(error[name])) if error.get(name) is not None else None

    return Failure(
        what=what,
        type=error["type"],
        message=text("message") or error["type"],
        traceback=text("traceback") or "",
        retryable=False,  # it has been tried as often as its policy allows
        code=error.get("code"),
        cause=text("cause"),
        next_step=text("next"),
        labels=current().labels(),
    )
