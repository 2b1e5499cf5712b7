"""What the ledger and production's records say of one output: who made it, when, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbactl.frozen import frozen
from nbactl.workflows.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from nbactl.workflows.board import PhaseLine
    from nbactl.workflows.freshness import Judgement
    from nbactl.workflows.model import RunRecord, TaskRecord
    from nbactl.workflows.production import ProcessorLine

_AT_WORK = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.DETACHED)
_FAILED = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)


@frozen
class Made:
    """What is recorded of an output. `open` is all that was not done, did not fail, and that nobody works on."""

    status: Literal["done", "failed", "at work", "open"]
    at: datetime | None = None
    by: str | None = None
    run_id: str | None = None
    rows: int | None = None
    reason: str | None = None
    judgement: Judgement | None = None
    record: TaskRecord | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it was done, and of data that are still the same."""
        return self.status == "done" and (self.judgement is None or self.judgement.state == "fresh")


def made_of(name: str, line: PhaseLine, alone: Made | None = None) -> Made:
    """Return what is recorded of an output of a phase; the board's merging says whose record decides.

    `alone` is what a later run of the task itself, or of a workflow, left: it decides where the phase left a gap.
    """
    if line.state == "unreadable":
        return Made("failed", reason="its last run cannot be read" if line.by in (None, "nbactl") else line.reason)
    report = line.production
    processor = next((found for found in report.processors if found.name == name), None) if report else None
    record = next((task for task in line.run.tasks if task.name == name), None) if line.run is not None else None
    ours = None if record is None or line.run is None else by_record(record, line.run, line.state, line.judged)
    if alone is not None and (ours is None or not ours.is_whole):
        ours = alone
    if processor is not None and (line.by in ("orchestrator", "unknown") or _outdoes(processor, ours)):
        return _by_processor(processor)
    if ours is not None:
        return ours
    if line.state == "unrecorded":
        return Made("done", by="unknown", reason=line.reason)
    return Made("open", reason=None if line.run is None else f"{line.run.run_id} left it out")


def _outdoes(processor: ProcessorLine, ours: Made | None) -> bool:
    """Say whether production did what no run of ours did."""
    return ours is None or (processor.done and ours.status in ("open", "failed"))


def _by_processor(line: ProcessorLine) -> Made:
    run = line.last_run
    run_id = run.run_id if run is not None else None
    if line.done:
        return Made("done", line.completed_at, line.whose, run_id, line.records)
    if line.failed:
        why = run.errors if run is not None and run.errors else f"{line.raw_name} reported {line.status or 'a failure'}"
        return Made("failed", by=line.whose if line.status else "unknown", run_id=run_id, reason=why)
    if line.ran:
        return Made("open", run_id=run_id, reason=f"{line.raw_name} ran, but did not report")
    return Made("open", reason=None if line.status is None else f"{line.raw_name} reported {line.status}")


def by_record(task: TaskRecord, run: RunRecord, state: str, judged: Mapping[str, Judgement]) -> Made:
    """Return what a run left of a task. `state` is the run's, and tells whether it is still `running`."""
    run_id = task.carried_from or run.run_id
    if task.status.done:
        return Made("done", task.finished_at, run_id, run_id, task.rows, task.reason, judged.get(task.name), task)
    if task.status in _FAILED:
        error = task.error or {}
        return Made("failed", by=run_id, run_id=run_id, reason=error.get("message") or task.reason)
    if task.status in _AT_WORK:
        if state == "running":
            return Made("at work", by=run_id, run_id=run_id, reason=f"{run_id} is at work")
        return Made("failed", by=run_id, run_id=run_id, reason=f"{run_id} was interrupted")
    return Made("open", run_id=run_id, reason=task.reason or f"{task.status.value} in {run_id}")
