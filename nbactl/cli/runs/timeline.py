"""The geometry of timelines: when each task of a run, or each run of a group, began and ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import format_duration
from nbactl.workflows.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.workflows.model import RunRecord, TaskRecord

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_SHORTEST: Final = 0.001


@dataclass(frozen=True, slots=True)
class Row:
    """A task or a run on the timeline. `begin` and `end` are seconds from its start, None if it did not run in it.

    `note` says why there is no bar: done before, skipped, not started.
    """

    label: str
    state: str
    begin: float | None
    end: float | None
    note: str = ""
    attempts: int = 1
    is_carried: bool = False
    task: TaskRecord | None = None
    """The task, unless it is a run."""

    @property
    def duration(self) -> float | None:
        """Seconds it took, or has been running."""
        return None if self.begin is None or self.end is None else self.end - self.begin


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows on an axis from 0 to `seconds`."""

    start: datetime
    seconds: float
    rows: tuple[Row, ...]

    def peak(self) -> int:
        """Return the greatest number of rows that ran at the same time."""
        return max((self.running_at(row.begin) for row in self.rows if row.begin is not None), default=0)

    def running_at(self, second: float) -> int:
        """Return how many rows were running at a moment."""
        return sum(
            1 for row in self.rows if row.begin is not None and row.end is not None and row.begin <= second < row.end
        )

    def busiest(self, begin: float, end: float) -> int:
        """Return the greatest number of rows that ran at one moment between `begin` and `end`."""
        starts = [row.begin for row in self.rows if row.begin is not None and begin <= row.begin < end]
        return max(self.running_at(moment) for moment in (begin, *starts))

    def ticks(self, at_most: int) -> list[float]:
        """Return at most `at_most` round positions on the axis, 0 included."""
        if at_most < 1:
            return []
        step = _step(self.seconds, max(1, at_most - 1))
        return [index * step for index in range(int(self.seconds / step + 1e-9) + 1)][:at_most]


def timeline(run: RunRecord, now: datetime) -> Timeline:
    """Lay `run` out; a task that still runs reaches to `now`, and so does the axis of a run that still runs."""
    start = run.started_at
    stop = run.finished_at or now
    ran = [task for task in run.tasks if not task.carried_from and task.started_at is not None]
    latest = max([stop, *(task.finished_at for task in ran if task.finished_at is not None)])
    seconds = max((latest - start).total_seconds(), _SHORTEST)
    return Timeline(start, seconds, tuple(_row(task, start, stop, seconds) for task in run.tasks))


def group_timeline(runs: Sequence[tuple[RunRecord, str]], now: datetime) -> Timeline:
    """Lay out the runs of a group, each with its state; one that still runs reaches to `now`."""
    start = min(run.started_at for run, _ in runs)
    ends = {run.run_id: run.finished_at or (now if state == "running" else _last_sign(run)) for run, state in runs}
    seconds = max((max(ends.values()) - start).total_seconds(), _SHORTEST)
    rows = [
        Row(
            f"{run.name} {run.game_date}",
            state,
            max((run.started_at - start).total_seconds(), 0.0),
            min(max((ends[run.run_id] - start).total_seconds(), 0.0), seconds),
        )
        for run, state in runs
    ]
    return Timeline(start, seconds, tuple(rows))


def _last_sign(run: RunRecord) -> datetime:
    """Return the last time that the ledger has of a run without an end."""
    times = [time for task in run.tasks for time in (task.started_at, task.finished_at) if time is not None]
    return max([run.started_at, *times])


def tick_label(second: float, step_seconds: float) -> str:
    """Return the label of a tick: `0`, `0.5s`, `2s`, `1m30s`."""
    if second == 0:
        return "0"
    if step_seconds < 1:
        digits = 1 if step_seconds >= 0.1 else 2 if step_seconds >= 0.01 else 3  # noqa: PLR2004 - decimals of the step
        return f"{second:.{digits}f}s"
    return f"{second:.0f}s" if second < 60 else format_duration(second)  # noqa: PLR2004 - a minute


def _row(task: TaskRecord, start: datetime, stop: datetime, seconds: float) -> Row:
    state = task.status.value
    if task.carried_from or task.started_at is None:
        note = f"done in {task.carried_from}" if task.carried_from else task.reason or state.replace("_", " ")
        return Row(task.name, state, None, None, note, is_carried=bool(task.carried_from), task=task)
    begin = min(max((task.started_at - start).total_seconds(), 0.0), seconds)
    finished = task.finished_at or (stop if task.status is TaskStatus.RUNNING else task.started_at)
    end = min(max((finished - start).total_seconds(), begin), seconds)
    return Row(task.name, state, begin, end, attempts=task.attempts, task=task)


def _step(seconds: float, intervals: int) -> float:
    """Return the smallest round step of which at most `intervals` fit into `seconds`."""
    wanted = seconds / intervals
    if wanted >= 1:
        return next((step for step in _STEPS if step >= wanted), 86400.0 * (1 + int(wanted // 86400)))
    step = _SHORTEST
    for factor in (2, 2.5, 2) * 3:
        if step >= wanted:
            break
        step *= factor
    return round(step, 3)
