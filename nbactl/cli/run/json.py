"""Runs as programs read them: the JSON shape of docs/contract.md, which may only grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.compute import Versions
    from nbactl.workflows.model import RunPlan, RunRecord, TaskRecord

PRODUCTION: Final = "production"
"""The source of the runs that production's own programs logged."""


def run_json(run: RunRecord, status: str | None = None) -> dict[str, Any]:
    """Return a run; `status` overrides the ledger's, as for a run whose process died. Times are UTC."""
    return {
        "run_id": run.run_id or None,
        "name": run.name,
        "kind": run.kind,
        "game_date": str(run.game_date),
        "status": status or run.status.value,
        "started_at": _time(run.started_at),
        "finished_at": _time(run.finished_at),
        "duration_s": _seconds(run.started_at, run.finished_at),
        "resumed_from": run.resumed_from,
        "group": run.group,
        "requested": list(run.requested),
        "source": run.source,
        "target": run.target,
        "mode": run.mode,
        "correlation_id": run.correlation_id,
        "owner": run.owner,
        "reason": run.reason,
        "source_spec": run.source_spec,
        "origin": "production" if run.source == PRODUCTION else "nbactl",
        "dismissed": _dismissed(run),
        "tasks": [task_json(task) for task in run.tasks],
    }


def _dismissed(run: RunRecord) -> dict[str, Any] | None:
    if run.dismissed is None:
        return None
    return {name: run.dismissed.get(name) for name in ("at", "by", "reason")}


def task_json(task: TaskRecord) -> dict[str, Any]:
    """Return a task of a run."""
    return {
        "name": task.name,
        "required": task.required,
        "status": task.status.value,
        "attempts": task.attempts,
        "started_at": _time(task.started_at),
        "finished_at": _time(task.finished_at),
        "duration_s": _seconds(task.started_at, task.finished_at),
        "rows": task.rows,
        "error": dict(task.error) if task.error else None,
        "reason": task.reason,
        "carried_from": task.carried_from,
        "detail": dict(task.detail),
        "versions": None if task.versions is None else _versions(task.versions),
        "incomplete": list(task.incomplete),
    }


def plan_json(plan: RunPlan, level_of: dict[str, int]) -> dict[str, Any]:
    """Return a planned run; `level` of a task is the length of the longest chain of tasks before it."""
    return {
        "name": plan.name,
        "kind": plan.kind,
        "game_date": str(plan.game_date),
        "source": plan.source,
        "mode": plan.mode,
        "max_workers": plan.max_workers,
        "deadline_s": plan.deadline,
        "lease": plan.lease,
        "resumed_from": plan.resumed_from,
        "skip_reason": plan.skip_reason,
        "depends_on": plan.depends_on,
        "tasks": [
            {
                "name": task.name,
                "level": level_of[task.name],
                "needs": list(task.needs),
                "required": task.required,
                "timeout_s": task.timeout,
                "retry": {"policy": task.retry.name, "attempts": task.retry.attempts},
                "work": {"kind": task.work.kind, "target": task.work.target},
                "carried_from": task.carried.carried_from if task.carried else None,
                "excluded": task.excluded,
                "state": task.state,
                "reason": task.reason,
            }
            for task in plan.tasks
        ],
    }


def _versions(versions: Versions) -> dict[str, Any]:
    return {"code": versions.code, "reads": dict(versions.reads), "writes": dict(versions.writes)}


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)
