"""Runs, tasks and their states: the records that the engine writes, the ledger keeps and commands show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nbactl.config.workflows import QuarantineLimits
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.calls.retry import RetryPolicy
    from nbactl.ports.compute import Versions, Work

Kind = Literal["phase", "workflow", "task"]
Mode = Literal["parallel", "sequential"]
EventKind = Literal["run_started", "task_started", "task_retrying", "task_finished", "run_finished"]
Upstream = Literal["auto", "run", "skip", "fail"]
StaleOn = Literal["code", "data", "both"]
TaskState = Literal["fresh", "stale", "incomplete", "undone", "forced", "excluded"]


NO_GAMES: Final = "no games"
"""Why a date of a range is left out that the source knows; any other reason is that the source does not cover it."""


class RunStatus(StrEnum):
    """State of a run. A run whose process died stays RUNNING in the ledger; readers call it `interrupted`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    DETACHED = "detached"
    """It ended while services that it called were still at work; the same request takes them up again."""


URGENCY: Final = ("running", "interrupted", "failed", "cancelled", "detached", "partial", "succeeded", "skipped")
"""The states of runs, `interrupted` among them; the one that most needs a look is first."""


class TaskStatus(StrEnum):
    """State of a task in a run."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    NO_DATA = "no_data"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    DETACHED = "detached"
    """A service works on it, and the run did not wait for that."""

    @property
    def done(self) -> bool:
        """Whether the task did its work and needs no further attempt."""
        return self in (TaskStatus.SUCCEEDED, TaskStatus.NO_DATA)


@frozen
class PlannedTask:
    """A task as it will be run. `timeout` is in seconds and bounds each attempt."""

    name: str
    work: Work
    timeout: float
    retry: RetryPolicy
    needs: tuple[str, ...] = ()
    required: bool = True
    wait: float | None = None
    """Seconds from its start that those which need it wait for it; then, or if it fails, they go on without it."""
    counts_rows: bool = True
    no_data_ok: bool = False
    quarantine: QuarantineLimits | None = None
    carried: TaskRecord | None = None
    """The record of an earlier run in which the task was done, so that it is not run again."""
    excluded: str | None = None
    """Why the task is left out of this run (`--skip`, `--only`)."""
    state: TaskState = "undone"
    reason: str | None = None
    """Why a task that was done before runs again, or what its last run failed with."""
    recheck: bool = False
    """Whether it is judged again at its turn, because it is carried and a task that it needs runs."""


@frozen
class RunPlan:
    """One run, decided before anything starts. `deadline` is seconds from the start, or None."""

    name: str
    kind: Kind
    game_date: GameDate
    source: str
    lease: str
    mode: Mode
    max_workers: int
    tasks: tuple[PlannedTask, ...]
    deadline: float | None = None
    resumed_from: str | None = None
    skip_reason: str | None = None
    """Why there is nothing to do; the run is reported as skipped and not recorded."""
    previous: RunRecord | None = None
    """The run of this name, date and source that was started last."""
    group: str | None = None
    """The group of the request that is resumed."""
    settled: bool = False
    """Whether the date is settled, so that games that are not over make it incomplete."""
    depends_on: str | None = None
    """The earlier run that decides whether anything is left to do, such as `phase2 2025-01-14`."""
    wait: bool = True
    """Whether the run waits for services that work on."""


@frozen
class TaskRecord:
    """A task in the ledger. `error` has type, message, traceback."""

    name: str
    required: bool
    status: TaskStatus
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rows: int | None = None
    error: Mapping[str, Any] | None = None
    reason: str | None = None
    carried_from: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    versions: Versions | None = None
    """What it read and wrote, if it is done and can say."""
    incomplete: tuple[str, ...] = ()
    """What the date lacked though the task did its work."""

    @property
    def by_service(self) -> bool:
        """Whether a deployed service did it."""
        return "service" in self.detail


@frozen
class RunRecord:
    """A run in the ledger, with its tasks in declared order."""

    run_id: str
    name: str
    kind: Kind
    game_date: GameDate
    source: str
    target: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    correlation_id: str
    owner: str
    resumed_from: str | None
    group: str | None
    tasks: tuple[TaskRecord, ...] = ()
    reason: str | None = None
    mode: Mode = "parallel"
    lease: str = ""
    """The name of the lease it runs under."""
    requested: tuple[str, ...] = ()
    """The names in the request that it belongs to; it may be a phase that these need."""
    source_spec: str | None = None
    """The source as `--source` names it from any working directory; runs of before have none."""
    decision_id: str | None = None
    """The decision of a tick that it carries out."""
    dismissed: Mapping[str, Any] | None = None
    """Since when its failure is dismissed, by whom and why: `at`, `by`, `reason`."""


@frozen
class RunEvent:
    """One change of state; observers get it after it is in the ledger."""

    kind: EventKind
    run: RunRecord
    task: TaskRecord | None = None
    message: str = ""


Observer = Callable[[RunEvent], None]


@frozen
class Gap:
    """Why an output is to be made again, and the run that the ledger has it of; a later run closes the gap."""

    run_id: str | None
    reason: str


@frozen
class Gaps:
    """What a request is to make whatever the ledger says of it, by task and date (`run --gaps`).

    `others` is what another program made: it is left out.
    """

    lacking: Mapping[tuple[str, GameDate], Gap]
    others: frozenset[tuple[str, GameDate]] = frozenset()


@frozen
class RunRequest:
    """Which runs to execute and how, from the command line or from Python.

    `dates` is oldest first; `timeout` is seconds for each run; `resume` is the id of a run, or `last`.
    """

    names: tuple[str, ...]
    dates: tuple[GameDate, ...]
    mode: Mode | None = None
    max_workers: int | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    resume: str | None = None
    force: bool = False
    upstream: Upstream = "auto"
    timeout: float | None = None
    stale_on: StaleOn = "both"
    wait: bool = True
    decision_id: str | None = None
    """The decision of a tick that it carries out."""
    gaps: Gaps | None = None


@frozen
class Outdated:
    """Finished dates outside of a request that it made stale. `name` is the phase that brings all of them up to date.

    `stale` are the runs, oldest first, such as `phase3 2025-01-15`.
    """

    name: str
    first: GameDate
    last: GameDate
    stale: tuple[str, ...]


@frozen
class RunReport:
    """The outcome of a request: its runs in the order in which they were planned, date by date."""

    runs: tuple[RunRecord, ...]
    warnings: tuple[str, ...] = ()
    interrupted_by: Literal["SIGINT", "SIGTERM"] | None = None
    not_started: int = 0
    """How many runs were not started because a stop was requested."""
    uncovered: Mapping[str, str] = field(default_factory=dict)
    """The dates of a range that the source does not cover, and why: nothing was looked at there."""
    notes: tuple[str, ...] = ()
    """What the tasks say beside their results, such as the files that were passed over."""
    outdated: Outdated | None = None


_SIGNAL_CODES: Final = {"SIGINT": 130, "SIGTERM": 143}
_BY_SEVERITY: Final = (
    (RunStatus.CANCELLED, 130),
    (RunStatus.FAILED, 1),
    (RunStatus.DETACHED, 8),
    (RunStatus.PARTIAL, 3),
)


def exit_code(report: RunReport) -> int:
    """Return the code of the worst run: stopped before failed before detached before partial before done or skipped.

    A range of which the source does not cover every date is partial.
    A signal decides by its own number. A run cancelled from elsewhere counts as interrupted: it can be resumed.
    """
    if report.interrupted_by is not None:
        return _SIGNAL_CODES[report.interrupted_by]
    statuses = {run.status for run in report.runs}
    if report.not_started:
        statuses.add(RunStatus.CANCELLED)
    if report.uncovered:
        statuses.add(RunStatus.PARTIAL)
    return next((code for status, code in _BY_SEVERITY if status in statuses), 0)


def uncovered_dates(plans: Iterable[RunPlan]) -> dict[str, str]:
    """Return the dates that the source does not cover, and why."""
    return {
        str(plan.game_date): plan.skip_reason
        for plan in plans
        if not plan.tasks and plan.skip_reason not in (None, NO_GAMES)
    }


def not_covered(uncovered: Mapping[str, str]) -> list[str]:
    """Return a sentence for each reason why dates were not looked at, with all their dates."""
    by_reason: dict[str, list[date]] = {}
    for text, reason in uncovered.items():
        by_reason.setdefault(reason, []).append(date.fromisoformat(text))
    return [
        f"nothing was looked at on {len(days)} of the dates ({_ranges(days)}): {why}" for why, days in by_reason.items()
    ]


def _ranges(days: Iterable[date]) -> str:
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and (day - spans[-1][-1]).days == 1:
            spans[-1][1:] = [day]
        else:
            spans.append([day])
    return ", ".join(" to ".join(map(str, span)) for span in spans)
