"""Runs and tasks as the ledger writes them; `reading.py` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.compute import Versions
    from nbactl.workflows.model import RunRecord, TaskRecord

RUNS = "runs"


def run_path(run_id: str) -> str:
    """Return the path of a run."""
    return f"{RUNS}/{run_id}"


def task_path(run_id: str, task: str) -> str:
    """Return the path of a task of a run."""
    return f"{RUNS}/{run_id}/tasks/{task}"


def run_document(run: RunRecord) -> dict[str, Any]:
    """Return a run as a document; `task_order` names its tasks in declared order."""
    return {
        "run_id": run.run_id,
        "name": run.name,
        "kind": run.kind,
        "game_date": str(run.game_date),
        "source": run.source,
        "source_spec": run.source_spec,
        "target": run.target,
        "status": run.status.value,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "rows": None,
        "error": None,
        "correlation_id": run.correlation_id,
        "owner": run.owner,
        "lease": run.lease,
        "resumed_from": run.resumed_from,
        "group": run.group,
        "mode": run.mode,
        "reason": run.reason,
        "task_order": [task.name for task in run.tasks],
        "requested": list(run.requested),
        "decision_id": run.decision_id,
        "cancel_requested_at": None,
    }


def run_ending(run: RunRecord) -> dict[str, Any]:
    """Return the fields of a run that its end changes."""
    counted = [task.rows for task in run.tasks if task.rows is not None]
    return {
        "status": run.status.value,
        "finished_at": run.finished_at,
        "reason": run.reason,
        "rows": sum(counted) if counted else None,
        "error": first_error(run.tasks),
    }


def first_error(tasks: Sequence[TaskRecord]) -> dict[str, Any] | None:
    """Return the error of the first task that has one and is not done, required tasks before optional ones."""
    failed = [task for task in tasks if task.error is not None and not task.status.done]
    failed.sort(key=lambda task: not task.required)
    return {"task": failed[0].name, **failed[0].error} if failed and failed[0].error else None


def task_document(run: RunRecord, task: TaskRecord) -> dict[str, Any]:
    """Return a task as a document."""
    return {
        "name": task.name,
        "kind": "task",
        "run_id": run.run_id,
        "game_date": str(run.game_date),
        "target": run.target,
        "correlation_id": run.correlation_id,
        "resumed_from": run.resumed_from,
        "required": task.required,
        **task_changes(task),
    }


def task_changes(task: TaskRecord) -> dict[str, Any]:
    """Return the fields of a task that change while it runs."""
    return {
        "status": task.status.value,
        "attempt": task.attempts,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "rows": task.rows,
        "error": dict(task.error) if task.error is not None else None,
        "reason": task.reason,
        "carried_from": task.carried_from,
        "detail": dict(task.detail),
        "versions": versions_document(task.versions),
        "incomplete": list(task.incomplete),
    }


def versions_document(versions: Versions | None) -> dict[str, Any] | None:
    """Return versions as a document."""
    if versions is None:
        return None
    return {"code": versions.code, "reads": dict(versions.reads), "writes": dict(versions.writes)}
