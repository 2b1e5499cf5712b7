"""Numbers from the history of runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbactl.rollouts.guards import Reading
from nbactl.workflows.model import RunStatus, TaskStatus

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.model import RunRecord

_ENDED = (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED)
_FAILED = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)


class LedgerSource:
    """Failure rates and the 95th percentile of durations, of the runs that began within a time and have ended."""

    name = "ledger"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def read(self, number: str, since: datetime, until: datetime) -> Reading | None:
        """Return a number over a time, None for one that runs do not tell."""
        if number not in ("workflow_failure_rate", "error_rate", "p95"):
            return None
        runs = [
            run
            for run in self._ledger.list(since=since, limit=None)
            if run.started_at < until and run.finished_at is not None and run.status in _ENDED
        ]
        if number == "p95":
            return _p95(runs)
        if number == "error_rate":
            states = [task.status for run in runs for task in run.tasks if task.finished_at is not None]
            return _share(sum(state in _FAILED for state in states), len(states))
        return _share(sum(run.status is RunStatus.FAILED for run in runs), len(runs))


def _share(part: int, whole: int) -> Reading:
    return Reading(part / whole if whole else 0.0, whole)


def _p95(runs: list[RunRecord]) -> Reading:
    took = sorted((run.finished_at - run.started_at).total_seconds() for run in runs if run.finished_at is not None)
    return Reading(took[math.ceil(0.95 * len(took)) - 1] if took else 0.0, len(took))
