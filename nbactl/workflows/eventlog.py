"""Writes what happens to runs and tasks to the log, so that `runs logs` tells the whole story."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.context import bound
from nbactl.workflows.model import RunStatus, TaskStatus

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nbactl.core.observe.context import Context
    from nbactl.workflows.model import RunEvent, RunRecord, TaskRecord

_log = logging.getLogger(__name__)
_LEVELS: Final = {
    TaskStatus.FAILED: logging.ERROR,
    TaskStatus.TIMED_OUT: logging.ERROR,
    TaskStatus.SKIPPED: logging.WARNING,
    TaskStatus.CANCELLED: logging.WARNING,
    RunStatus.FAILED: logging.ERROR,
    RunStatus.PARTIAL: logging.WARNING,
    RunStatus.CANCELLED: logging.WARNING,
}


def run_context(run: RunRecord, task: TaskRecord | None = None) -> AbstractContextManager[Context]:
    """Bind the log context to a run, and to one of its tasks."""
    return bound(
        run_id=run.run_id,
        workflow=run.name,
        game_date=str(run.game_date),
        correlation_id=run.correlation_id,
        task=task.name if task else None,
        attempt=task.attempts if task else None,
    )


def log_event(event: RunEvent) -> None:
    """Observe an event: one record that names run, task, game date and correlation id."""
    run, task = event.run, event.task
    with run_context(run, task):
        if task is None:
            _log_run(event, run)
        else:
            _log_task(event, task)


def _log_run(event: RunEvent, run: RunRecord) -> None:
    if event.kind == "run_started":
        _log.info("run started", extra=_given(source=run.source, target=run.target, resumed_from=run.resumed_from))
        return
    done = sum(task.status.done for task in run.tasks)
    extra = _given(done=done, tasks=len(run.tasks), reason=run.reason)
    _log.log(_LEVELS.get(run.status, logging.INFO), "run %s", run.status.value, extra=extra)


def _log_task(event: RunEvent, task: TaskRecord) -> None:
    if event.kind == "task_started":
        _log.info("task started")
    elif event.kind == "task_retrying":
        _log.warning("task is tried again: %s", event.message)
    else:
        error = dict(task.error or {})
        extra = _given(
            rows=task.rows,
            reason=task.reason,
            error=error.get("message"),
            error_type=error.get("type"),
            detail=dict(task.detail) or None,
            stack_trace=error.get("traceback") or None,
        )
        word = task.status.value.replace("_", " ")
        _log.log(_LEVELS.get(task.status, logging.INFO), "task %s", word, extra=extra)


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - log fields are of any kind
    return {name: value for name, value in fields.items() if value is not None}
