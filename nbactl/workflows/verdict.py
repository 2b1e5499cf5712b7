"""What the end of an attempt, of a task and of a run is called."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError, NbactlError
from nbactl.workflows.model import RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from nbactl.ports.compute import TaskOutcome
    from nbactl.workflows.model import PlannedTask, TaskRecord
    from nbactl.workflows.stop import Stop


class StoppedError(Exception):
    """The attempt was given up because the run ends."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: with an outcome or with an error."""

    outcome: TaskOutcome | None = None
    error: BaseException | None = None
    timed_out: bool = False


def judge(task: PlannedTask, ending: Ending) -> Ending:
    """Hold a task to what it declares about its rows (invariant 15)."""
    if ending.outcome is None or not task.counts_rows:
        return ending
    if ending.outcome.rows is None:
        error = DataError(
            f"{task.name} reported no rows",
            cause="The task declares `output: rows`, so it must say how many rows it wrote.",
            next_step="Return TaskOutcome(rows=…), or declare `output: none`.",
        )
        return Ending(error=error)
    if ending.outcome.rows == 0 and not task.no_data_ok:
        reason = ending.outcome.detail.get("reason")
        error = DataError(
            f"{task.name} wrote 0 rows" + (f": {reason}" if reason else ""),
            cause="The task does not declare `no_data: ok`, so no data is a failure.",
            next_step="Check that its input is there for this game date (`nbactl runs logs`).",
        )
        return Ending(error=error)
    return ending


def ended(record: TaskRecord, ending: Ending, now: datetime, stop: Stop | None) -> TaskRecord:
    """Return the record of a task whose last attempt ended so."""
    record = replace(record, finished_at=now)
    if ending.outcome is not None:
        rows = ending.outcome.rows
        status = TaskStatus.NO_DATA if rows == 0 else TaskStatus.SUCCEEDED
        return replace(record, status=status, rows=rows, error=None, detail=ending.outcome.detail)
    if stop is not None and isinstance(ending.error, StoppedError):
        return stopped(record, stop)
    if ending.error is None:
        raise ValueError("an attempt ends with an outcome or an error")
    status = TaskStatus.TIMED_OUT if ending.timed_out else TaskStatus.FAILED
    return replace(record, status=status, error=describe(ending.error))


def stopped(record: TaskRecord, stop: Stop) -> TaskRecord:
    """Return the record of a task that the end of its run stopped, or kept from starting."""
    if stop.kind != "deadline":
        status = TaskStatus.CANCELLED
    else:
        status = TaskStatus.TIMED_OUT if record.status is TaskStatus.RUNNING else TaskStatus.SKIPPED
    return replace(record, status=status, reason=stop.reason)


def blocked(record: TaskRecord, need: TaskRecord) -> TaskRecord:
    """Return the record of a task that cannot run because `need` was not done."""
    return replace(record, status=TaskStatus.SKIPPED, reason=f"needs {need.name}, which {_BECAME[need.status]}")


_BECAME = {
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMED_OUT: "timed out",
    TaskStatus.SKIPPED: "was skipped",
    TaskStatus.CANCELLED: "was cancelled",
}


def judge_run(wanted: Iterable[TaskRecord], stop: Stop | None) -> RunStatus:
    """Judge a run by set membership: every required task must be done (invariant 9).

    `wanted` are the tasks of the run but those that were left out on request.
    """
    missing = [record for record in wanted if not record.status.done]
    if not missing:
        return RunStatus.SUCCEEDED
    if stop is not None and stop.kind == "cancelled":
        return RunStatus.CANCELLED
    broken = stop is not None and stop.kind != "deadline"
    return RunStatus.FAILED if broken or any(record.required for record in missing) else RunStatus.PARTIAL


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as the ledger keeps it: type, message, traceback and what we know beyond (invariant 17)."""
    text: dict[str, Any] = {
        "type": type(error).__name__,
        "message": str(error) or type(error).__name__,
        "traceback": "".join(traceback.format_exception(error)),
    }
    if isinstance(error, NbactlError):
        text |= {"code": error.code, "cause": error.cause, "next": error.next_step, "retryable": error.retryable}
    return text
