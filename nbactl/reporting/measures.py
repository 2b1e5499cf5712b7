"""The numbers of a report, from what ran and from the grid of expected outputs."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import format_duration
from nbactl.frozen import frozen
from nbactl.outputs.model import WRONG, OutputState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.outputs.model import Grid, Output
    from nbactl.reporting.runs import RanRun

_COUNTED: Final = (*WRONG, OutputState.COMPLETE, OutputState.EMPTY_OK, OutputState.PARTIAL, OutputState.STALE)


@frozen
class Durations:
    """How long something took, in seconds: the median, and what 95 of 100 stay below (nearest rank)."""

    runs: int
    median: float | None = None
    p95: float | None = None


@frozen
class PhaseTimes:
    """How long a phase took, and in the time before; `change` is the share by which the median grew.

    `nights` has the longest time of each game date, oldest first.
    """

    name: str
    now: Durations
    before: Durations
    failed: int
    nights: tuple[tuple[GameDate, float], ...]

    @property
    def change(self) -> float | None:
        """The share by which the median changed against the time before, None where either is not known."""
        if self.now.median is None or not self.before.median:
            return None
        return self.now.median / self.before.median - 1


@frozen
class TaskErrors:
    """How often a task ran, was tried again and failed. `error` is what it failed with last."""

    name: str
    runs: int
    attempts: int
    failed_attempts: int
    failed: int
    error: str | None

    @property
    def retries(self) -> int:
        """How many attempts came after a failed one."""
        return self.attempts - self.runs

    @property
    def error_rate(self) -> float:
        """The share of the attempts that failed."""
        return self.failed_attempts / self.attempts


@frozen
class Reliability:
    """How many of the required outputs that were due were there on time. `late` were there later."""

    due: int
    on_time: int
    late: int

    @property
    def percent(self) -> float | None:
        """The share that was on time, None if nothing was due."""
        return 100 * self.on_time / self.due if self.due else None


@frozen
class Night:
    """A game date. `idle` says why nothing was expected; `wrong` names what was not there on time."""

    game_date: GameDate
    reliability: Reliability
    wrong: tuple[str, ...] = ()
    idle: str | None = None


def durations(seconds: Iterable[float]) -> Durations:
    """Return the median and the 95th percentile."""
    found = sorted(seconds)
    if not found:
        return Durations(0)
    return Durations(len(found), median(found), found[math.ceil(0.95 * len(found)) - 1])


def phase_times(
    declared: Sequence[str],
    runs: Sequence[RanRun],
    before: Sequence[RanRun],
    documents: Mapping[tuple[str, GameDate], PhaseDocument],
    first: GameDate,
) -> list[PhaseTimes]:
    """Return the times of the phases that ran, declared ones first.

    Where nothing of a phase and date is recorded but its phase document (`documents`), it counts from the first
    completion to the last. Dates from `first` on are those of the period.
    """
    now, past = _by_phase(runs), _by_phase(before)
    for (phase, day), document in sorted(documents.items()):
        seconds = _span(document)
        found = now if day >= first else past
        if seconds is not None and all(day != other for other, _ in found[phase]):
            found[phase].append((day, seconds))
    failed: dict[str, int] = defaultdict(int)
    for run in runs:
        failed[run.name] += run.kind == "phase" and run.failed
    names = [name for name in dict.fromkeys((*declared, *now, *past)) if now[name] or past[name] or failed[name]]
    return [
        PhaseTimes(
            name,
            durations(seconds for _, seconds in now[name]),
            durations(seconds for _, seconds in past[name]),
            failed[name],
            tuple(sorted(_longest(now[name]).items())),
        )
        for name in names
    ]


def _by_phase(runs: Iterable[RanRun]) -> dict[str, list[tuple[GameDate, float]]]:
    found: dict[str, list[tuple[GameDate, float]]] = defaultdict(list)
    for run in runs:
        if run.kind == "phase" and (seconds := run.seconds) is not None:
            found[run.name].append((run.game_date, seconds))
    return found


def _longest(times: Iterable[tuple[GameDate, float]]) -> dict[GameDate, float]:
    found: dict[GameDate, float] = {}
    for day, seconds in times:
        found[day] = max(seconds, found.get(day, 0.0))
    return found


def _span(document: PhaseDocument) -> float | None:
    times = [report.completed_at for report in document.processors.values() if report.done and report.completed_at]
    began = document.began_at
    return None if began is None or not times else max(0.0, (max(times) - began).total_seconds())


def task_errors(runs: Iterable[RanRun]) -> list[TaskErrors]:
    """Return the tasks that ran, those that failed most first."""
    found: dict[str, list[int]] = {}
    errors: dict[str, str] = {}
    for run in runs:  # newest first
        for task in run.tasks:
            counts = found.setdefault(task.name, [0, 0, 0, 0])
            for index, number in enumerate((1, task.attempts, task.failed_attempts, int(task.failed))):
                counts[index] += number
            if task.failed and task.error:
                errors.setdefault(task.name, task.error)
    tasks = [
        TaskErrors(name, runs, attempts, failed_attempts, failed, errors.get(name))
        for name, (runs, attempts, failed_attempts, failed) in found.items()
    ]
    return sorted(tasks, key=lambda task: (-task.failed, -task.failed_attempts, task.name))


def nights(grid: Grid, first: GameDate, last: GameDate) -> list[Night]:
    """Return every date of the range, oldest first; one that nothing was due of has a reliability of nothing."""
    by_date: dict[GameDate, list[Output]] = defaultdict(list)
    for output in grid.outputs:
        if output.required and output.state in _COUNTED and (output.due_at is None or output.due_at <= grid.now):
            by_date[output.game_date].append(output)
    return [
        Night(
            day, reliability(by_date[day]), _wrong(by_date[day]), idle.reason if (idle := grid.idle.get(day)) else None
        )
        for day in first.until(last)
    ]


def reliability(outputs: Sequence[Output]) -> Reliability:
    """Return how many of the outputs were on time, and how many came later."""
    on_time = sum(output.on_time for output in outputs)
    there = sum(output.state in (OutputState.COMPLETE, OutputState.EMPTY_OK) for output in outputs)
    return Reliability(len(outputs), on_time, there - on_time)


def total(found: Iterable[Night]) -> Reliability:
    """Return the reliability of several nights together."""
    parts = [night.reliability for night in found]
    return Reliability(*(sum(getattr(part, name) for part in parts) for name in ("due", "on_time", "late")))


def _wrong(outputs: Iterable[Output]) -> tuple[str, ...]:
    return tuple(
        f"{output.phase} {output.name}: {_state(output)}" for output in outputs if not output.on_time
    )  # fmt: skip


def _state(output: Output) -> str:
    if output.state in (OutputState.COMPLETE, OutputState.EMPTY_OK):
        return f"late by {_late_by(output.due_at, output.made_at)}"
    return f"{output.state.value.lower()}{f', {output.reason}' if output.reason else ''}"


def _late_by(due: datetime | None, made: datetime | None) -> str:
    return "?" if due is None or made is None else format_duration((made - due).total_seconds())
