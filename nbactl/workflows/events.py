"""Tells the instrumentation hook what happens to runs and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.observe.events import Event
from nbactl.workflows.stop import is_deadline

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core.observe.events import Hook
    from nbactl.workflows.model import Observer, RunEvent, RunRecord, TaskRecord


def told_to(hook: Hook) -> Observer:
    """Return an observer that tells `hook`. Events are named after the workflow or task, never after a run."""

    def observe(event: RunEvent) -> None:
        if event.kind == "run_started":
            hook(Event("run.started", event.run.name))
        elif event.kind == "run_finished":
            _tell_end(event.run, hook)
        elif event.task is not None:
            _tell_task(event.kind, event.task, hook)

    return observe


def _tell_end(run: RunRecord, hook: Hook) -> None:
    if is_deadline(run.reason):
        hook(Event("deadline.fired", run.name))
    seconds = _seconds(run.started_at, run.finished_at)
    at = None if run.finished_at is None else run.finished_at.timestamp()
    hook(Event("run.finished", run.name, {"status": run.status.value, "seconds": seconds, "at": at}))


def _tell_task(kind: str, task: TaskRecord, hook: Hook) -> None:
    if kind == "task_started":
        hook(Event("task.started", task.name))
    elif kind == "task_retrying":
        hook(Event("task.retried", task.name, {"attempt": task.attempts}))
    else:
        seconds = _seconds(task.started_at, task.finished_at)
        fields = {"status": task.status.value, "seconds": seconds, "rows": task.rows, "attempts": task.attempts}
        hook(Event("task.finished", task.name, fields))


def _seconds(began: datetime | None, ended: datetime | None) -> float | None:
    """Return how long it took; None if it did not begin. A clock that was set back makes no time negative."""
    return None if began is None or ended is None else max(0.0, (ended - began).total_seconds())
