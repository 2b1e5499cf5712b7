"""Observers of a run: its log, the failure sinks, the instrumentation hook, and alerts."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.observe.context import bound, current
from nbactl.core.observe.events import Event
from nbactl.core.observe.failures import Failure
from nbactl.core.observe.logging import mask
from nbactl.ports.alerts import Alert
from nbactl.workflows.freshness import listed
from nbactl.workflows.model import RunStatus, TaskStatus
from nbactl.workflows.stop import is_deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from nbactl.config.workflows import AlertSpec, AlertsSpec, Workflow
    from nbactl.core.observe.context import Context
    from nbactl.core.observe.events import Hook
    from nbactl.core.observe.failures import Failures
    from nbactl.workflows.model import Observer, RunEvent, RunRecord, TaskRecord

_log = logging.getLogger(__name__)
_LEVELS: Final = {
    TaskStatus.FAILED: logging.ERROR,
    TaskStatus.TIMED_OUT: logging.ERROR,
    TaskStatus.SKIPPED: logging.WARNING,
    TaskStatus.CANCELLED: logging.WARNING,
    TaskStatus.DETACHED: logging.WARNING,
    RunStatus.FAILED: logging.ERROR,
    RunStatus.PARTIAL: logging.WARNING,
    RunStatus.CANCELLED: logging.WARNING,
    RunStatus.DETACHED: logging.WARNING,
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
        _log.warning("task will be retried: %s", event.message)
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


_FAILED: Final = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)


def report_failures(failures: Failures) -> Observer:
    """Return an observer that reports each task that failed for good.

    It reports what the ledger keeps: a task may have run in another process, so that its error itself is gone.
    """

    def observe(event: RunEvent) -> None:
        task = event.task
        if event.kind != "task_finished" or task is None or task.status not in _FAILED or not task.error:
            return
        with run_context(event.run, task):
            failures.emit(_failure(f"task {task.name}", task.error))

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


def ignore(event: RunEvent) -> None:
    """Observe nothing."""


def combined(*observers: Observer) -> Observer:
    """Return an observer that passes each event to these, in this order."""

    def observe(event: RunEvent) -> None:
        for observer in observers:
            observer(event)

    return observe


def emit_events(hook: Hook) -> Observer:
    """Return an observer that emits events to `hook`, named after the workflow or task, never after a run."""

    def observe(event: RunEvent) -> None:
        if event.kind == "run_started":
            hook(Event("run.started", event.run.name))
        elif event.kind == "run_finished":
            _emit_end(event.run, hook)
        elif event.task is not None:
            _emit_task(event.kind, event.task, hook)

    return observe


def _emit_end(run: RunRecord, hook: Hook) -> None:
    if is_deadline(run.reason):
        hook(Event("deadline.fired", run.name))
    seconds = _seconds(run.started_at, run.finished_at)
    at = None if run.finished_at is None else run.finished_at.timestamp()
    hook(Event("run.finished", run.name, {"status": run.status.value, "seconds": seconds, "at": at}))


def _emit_task(kind: str, task: TaskRecord, hook: Hook) -> None:
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


_EVENTS: Final[Mapping[RunStatus, Literal["run_failed", "run_partial"]]] = {
    RunStatus.FAILED: "run_failed",
    RunStatus.PARTIAL: "run_partial",
}


class RunAlerts:
    """Observes runs and sends an alert through each channel of its kind when one fails or is partial."""

    def __init__(
        self,
        alerts: AlertsSpec,
        send: Callable[[Alert, Iterable[str]], None],
        workflows: Mapping[str, Workflow] = MappingProxyType({}),
    ) -> None:
        """Of `workflows` those count that have alerts of their own."""
        self._alerts = alerts
        self._workflows = workflows
        self._send = send

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        run = event.run
        name = _EVENTS.get(run.status)
        if event.kind != "run_finished" or name is None:
            return
        workflow = self._workflows.get(run.name)
        rule: AlertSpec = getattr(self._alerts, name) if workflow is None else workflow.alert(name, self._alerts)
        undone = [f"{task.name} {task.status.value.replace('_', ' ')}" for task in run.tasks if not task.status.done]
        lacking = list(dict.fromkeys(text for task in run.tasks for text in task.incomplete))
        summary = ", ".join(undone) or run.reason or listed(lacking, "; ") or "no open tasks"
        alert = Alert(
            key=f"{name}/{run.name}/{run.game_date}",
            severity=rule.severity,
            title=f"{run.name} {run.game_date} {run.status.value}: {summary}",
            text=_first_error(run),
            fields={"run": run.run_id, "game date": str(run.game_date), "target": run.target},
            next_step=f"nbactl runs show {run.run_id} -v",
        )
        with run_context(run):
            self._send(alert, rule.channels)


def _first_error(run: RunRecord) -> str:
    return next((f"{task.name}: {task.error['message']}" for task in run.tasks if task.error is not None), "")
