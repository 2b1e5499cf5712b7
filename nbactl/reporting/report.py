"""The weekly numbers: reliability, durations, errors, cost, duplicates, changes and incidents of a time.

The number of queries depends neither on how many runs there are nor on how long the time is.
"""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from nbactl.core._support.gamedate import GameDate
from nbactl.core.flags.store import history_of, state_of
from nbactl.errors import DataError, NbactlError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Order, Query
from nbactl.reporting.conditions import conditions_since
from nbactl.reporting.measures import nights, phase_times, task_errors, total
from nbactl.reporting.runs import read_runs
from nbactl.reporting.sent import sent_alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.core.audit.entry import AuditEntry
    from nbactl.core.flags.store import FlagStore
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.outputs.model import Grid
    from nbactl.ports.documents import DocumentStore
    from nbactl.reporting.conditions import Condition
    from nbactl.reporting.measures import Night, PhaseTimes, Reliability, TaskErrors
    from nbactl.reporting.runs import Logs
    from nbactl.reporting.sent import SentAlert

T = TypeVar("T")
BASELINE: Final = timedelta(days=30)
"""The time before the period that durations are compared with."""
_MOST: Final = 200
"""How many changes of a flag, incidents and alerts are read."""


@frozen
class CostUsage:
    """What queries were billed in the period, and in as much time before; `price` is in US dollars."""

    jobs: int
    billed: int
    price: float
    billed_before: int


@frozen
class FlagChange:
    """A change of a flag."""

    key: str
    at: datetime
    percent: float
    enabled: bool
    by: str
    reason: str | None


@frozen
class ReportSources:
    """Where the numbers come from. `logs` is None where no other program runs the pipeline.

    `costs` raises PreconditionError on a target that keeps no history of queries. `counts` are of duplicates.
    """

    documents: DocumentStore
    flags: FlagStore
    phases: Sequence[str]
    logs: Logs | None
    grid: Callable[[GameDate, GameDate], Grid]
    phase_documents: Callable[[Sequence[GameDate]], Mapping[tuple[str, GameDate], PhaseDocument]]
    costs: Callable[[datetime, datetime], CostUsage]
    duplicates: Callable[[datetime, datetime], Mapping[str, int]]
    repairs: Callable[[datetime], Sequence[AuditEntry]]
    scheduled: Callable[[], Mapping[str, str]] | None = None
    """Returns what is wrong with scheduled jobs now, by name; None on a target without a scheduler."""


@frozen
class Report:
    """The numbers of the time from `since` to `until`, and of the game dates in it. `cost_unknown` says why."""

    since: datetime
    until: datetime
    nights: tuple[Night, ...]
    reliability: Reliability
    grid: Grid | None
    phases: tuple[PhaseTimes, ...]
    tasks: tuple[TaskErrors, ...]
    runs: int
    failed_runs: int
    cost: CostUsage | None
    cost_unknown: str | None
    duplicates: Mapping[str, int]
    flags: tuple[FlagChange, ...]
    incidents: tuple[Condition, ...]
    alerts: tuple[SentAlert, ...]
    repairs: tuple[AuditEntry, ...]
    warnings: tuple[str, ...]
    jobs: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with scheduled jobs at the end of the time, by name."""

    @property
    def worst(self) -> list[Night]:
        """The nights on which something was not there on time, the worst first."""
        bad = [night for night in self.nights if night.reliability.on_time < night.reliability.due]
        return sorted(bad, key=lambda night: (night.reliability.percent or 0.0, night.game_date))


def make_report(sources: ReportSources, length: timedelta, now: datetime) -> Report:
    """Return the report of the last `length`. Raises NotFoundError if nothing happened and nothing was expected.

    What cannot be read is a warning, and missing from the numbers; only the document store must answer.
    """
    since = now - length
    last = GameDate.of(now)
    first = min(GameDate.of(since).plus(1), last)
    store = sources.documents
    warnings: list[str] = []
    ran = read_runs(store, since, now, sources.logs)
    before = read_runs(store, since - BASELINE, since, sources.logs, tasks=False)
    warnings += [*ran.warnings, *(f"time before: {text}" for text in before.warnings)]
    grid = _or_warn(lambda: sources.grid(first, last), "the expected outputs", warnings)
    days = list(first.plus(-BASELINE.days).until(last))
    found_nights = [] if grid is None else nights(grid, first, last)
    warnings += [] if grid is None else grid.warnings
    documents = _or_warn(lambda: sources.phase_documents(days), "the phase documents", warnings) or {}
    phases = phase_times(sources.phases, ran.runs, before.runs, documents, first)
    reliability = total(found_nights)
    if not ran.runs and not reliability.due and not any(phase.now.runs for phase in phases):
        raise _nothing(since, before.runs[0].started_at if before.runs else None, length)
    cost, unknown = _cost(sources, since, now)
    repairs = _or_warn(lambda: sources.repairs(since), "the audit trail", warnings) or ()
    scheduled = sources.scheduled
    jobs = None if scheduled is None else _or_warn(scheduled, "the scheduled jobs", warnings)
    return Report(
        since=since,
        until=now,
        nights=tuple(found_nights),
        reliability=reliability,
        grid=grid,
        phases=tuple(phases),
        tasks=tuple(task_errors(ran.runs)),
        runs=sum(run.ended for run in ran.runs),
        failed_runs=sum(run.ended and run.failed for run in ran.runs),
        cost=cost,
        cost_unknown=unknown,
        duplicates=sources.duplicates(since, now),
        flags=tuple(sorted(_flag_changes(sources, since), key=lambda change: change.at, reverse=True)),
        incidents=tuple(conditions_since(store, since, _MOST)),
        alerts=tuple(sent_alerts(store, "slack", since, _MOST)),
        repairs=tuple(repairs),
        warnings=tuple(dict.fromkeys(warnings)),
        jobs=jobs or {},
    )


def _or_warn(read: Callable[[], T], what: str, warnings: list[str]) -> T | None:
    try:
        return read()
    except NbactlError as error:
        warnings.append(f"{what} were not read: {error.message}")
        return None


def _cost(sources: ReportSources, since: datetime, until: datetime) -> tuple[CostUsage | None, str | None]:
    try:
        return sources.costs(since, until), None
    except PreconditionError as error:
        return None, error.message
    except NbactlError as error:
        return None, f"the history of jobs was not read: {error.message}"


def _flag_changes(sources: ReportSources, since: datetime) -> Iterator[FlagChange]:
    """Yield the changes; only the history of flags that were changed since then is asked for."""
    for key, state in sources.flags.read().states.items():
        if state.updated_at < since:
            continue
        changed = Query(
            history_of(key),
            (Filter("updated_at", ">=", since),),
            (Order("updated_at", descending=True),),
            limit=_MOST,
        )
        for document in sources.documents.query(changed):
            try:
                entry = state_of(document.path, document.data)
            except DataError:
                continue  # `nbactl flags history` names it
            yield FlagChange(key, entry.updated_at, entry.percent, entry.enabled, entry.updated_by, entry.reason)


def length_text(length: timedelta) -> str:
    """Return a length of time as `--since` takes it: `7d`, `36h`, `90m`."""
    minutes = round(length.total_seconds() / 60)
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{max(1, minutes)}m"


def _nothing(since: datetime, newest: datetime | None, length: timedelta) -> NotFoundError:
    longer = "Run something: nbactl run daily"
    if newest is not None:
        longer = f"Look further back: nbactl report --since {length_text(2 * length)}"
    known = "The store has no run of the 30 days before, either."
    if newest is not None:
        known = f"The newest run before was started at {newest:%Y-%m-%d %H:%M} UTC."
    return NotFoundError(
        f"nothing to report: no run and no output that was due since {since:%Y-%m-%d %H:%M} UTC",
        cause=known,
        next_step=longer,
    )
