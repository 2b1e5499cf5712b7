"""The end of a run as a row of `nba_orchestration.workflow_executions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.workflows.model import TaskStatus
from nbactl.workflows.writing import first_error

if TYPE_CHECKING:
    from nbactl.workflows.model import RunRecord

EXECUTIONS: Final = "nba_orchestration.workflow_executions"
EXECUTION_KEY: Final = "execution_id"
_LONGEST: Final = 1_000
"""Characters of an error that are kept; the ledger has all of it."""
_FAILED: Final = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)


def execution_row(run: RunRecord) -> dict[str, Any] | None:
    """Return the row of a run that has ended; None for a single task, which is not an execution of a workflow."""
    if run.kind == "task" or run.finished_at is None:
        return None
    error = first_error(run.tasks)
    message = error["message"] if error is not None else run.reason
    return {
        EXECUTION_KEY: run.run_id,
        "execution_time": run.started_at,
        "workflow_name": run.name,
        "decision_id": run.decision_id,
        "status": run.status.value,
        "duration_seconds": (run.finished_at - run.started_at).total_seconds(),
        "tasks_succeeded": sum(task.status.done for task in run.tasks),
        "tasks_failed": sum(task.status in _FAILED for task in run.tasks),
        "error_message": None if message is None else str(message)[:_LONGEST],
    }
