"""The history of runs: list, show, read the log of and cancel runs."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from nbactl.bootstrap.runs import follow_source
from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.runs.log import LogFile, LogFilter
from nbactl.cli.runs.production import DAYS, ORIGINS, Origin, find_production_run, has_name, production_runs
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.names import check_known, did_you_mean
from nbactl.core.observe.logging import SEVERITIES, run_log_path
from nbactl.errors import NbactlError, NotFoundError, PreconditionError, UsageError
from nbactl.frozen import frozen
from nbactl.workflows.freshness import worst
from nbactl.workflows.ledger import INTERRUPTED
from nbactl.workflows.model import URGENCY, RunStatus
from nbactl.workflows.units import DAILY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.workflows.model import RunRecord

STATES: Final = (*(status.value for status in RunStatus if status is not RunStatus.SKIPPED), INTERRUPTED)
"""The states that a recorded run can have."""
_FAILURES: Final = (RunStatus.FAILED, RunStatus.CANCELLED, INTERRUPTED)
LEVELS: Final = tuple(severity.lower() for severity in SEVERITIES)


@frozen
class RunListRequest:
    """Which runs to list: those that match all of it, the newest `limit` of them."""

    name: str | None = None
    date: GameDate | None = None
    since: datetime | None = None
    status: str | None = None
    group: str | None = None
    limit: int = 20
    origin: Origin | None = None
    """Whose runs; None is all on gcp and nbactl's own on local."""
    expand: bool = False
    """Whether each run of a group is listed, instead of the group."""

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out any run but old ones."""
        return any((self.name, self.date, self.since, self.status, self.group))


@frozen
class ListedRun:
    """A run and its state, which is its status, or `interrupted` if its process died.

    `not_fresh` is why the newest run of its name and date is to be done again, though it is finished.
    """

    run: RunRecord
    state: str
    not_fresh: str | None = None

    @property
    def newest(self) -> RunRecord:
        """The run."""
        return self.run


@frozen
class ListedGroup:
    """The runs of one request, without their tasks, each with its state; newest first."""

    runs: tuple[tuple[RunRecord, str], ...]

    @property
    def newest(self) -> RunRecord:
        """The run that was started last."""
        return self.runs[0][0]

    @property
    def state(self) -> str:
        """The state that most needs a look."""
        return min((state for _, state in self.runs), key=URGENCY.index)


@frozen
class RunList:
    """Runs, newest first, and how many there are in all.

    Of `runs` and `lines` one can be read, once; not all runs are in memory.
    """

    request: RunListRequest
    runs: Iterator[ListedRun]
    total: int
    lines: Iterator[ListedRun | ListedGroup]
    """The same with the runs of a group as one, unless `expand` or a filter asks for the runs."""
    warnings: tuple[str, ...] = ()
    """What of production could not be read."""


@frozen
class RunGroup:
    """The runs of one request, oldest first: one run, or those of several phases or dates.

    `unchecked` is why nobody can say whether they are fresh.
    """

    runs: tuple[ListedRun, ...]
    unchecked: str | None = None

    @property
    def last(self) -> ListedRun:
        """The run that was started last."""
        return self.runs[-1]


@frozen
class LogRequest:
    """Which entries of a run's log to read: at least as severe as `level`, and of one task if one is named."""

    run: str
    task: str | None = None
    level: str = "info"


@frozen
class RunLog:
    """The log of a run. `entries` can be read once."""

    run_id: str
    entries: Iterator[dict[str, Any]]


@frozen
class CancelRequest:
    """Which run to cancel. `timeout` is how many seconds to wait for its end, by default run.cancel_wait."""

    run: str
    timeout: float | None = None
    wait: bool = True
    dry_run: bool = False


@frozen
class Cancelled:
    """The run as it is after a request to cancel it. `already`: it was cancelled before."""

    request: CancelRequest
    run: RunRecord
    state: str
    already: bool = False


@frozen
class DismissRequest:
    """Which failures to dismiss, or with `undo` to show again."""

    runs: tuple[str, ...]
    reason: str | None = None
    undo: bool = False
    dry_run: bool = False


@frozen
class Dismissal:
    """The runs as they are after a request to dismiss them, and the ids of those that it changes."""

    request: DismissRequest
    runs: tuple[ListedRun, ...]
    changed: tuple[str, ...]


def list_runs(app: Container, request: RunListRequest) -> RunList:
    """Return the newest runs. Raises UsageError for an unknown state, NotFoundError for an unknown name."""
    if request.status is not None and request.status not in STATES:
        raise UsageError(f"'{request.status}' is not a state of a run", next_step=did_you_mean(request.status, STATES))
    origin = request.origin or ("all" if app.settings.target == "gcp" else "nbactl")
    check_known("--origin", origin, ORIGINS)
    theirs, warnings = _production(app, request) if origin != "nbactl" else ([], [])
    if origin == "production":
        return RunList(request, iter(shown := theirs[: request.limit]), len(theirs), iter(shown), tuple(warnings))
    wanted = (request.name, request.date, request.since, request.status)
    total = app.ledger.count(*wanted, group=request.group) + len(theirs)
    if not total:
        _check_name(app, request.name)
    app.ledger.notice_undated()
    found = app.ledger.stream(*wanted, request.limit, group=request.group)
    own = (ListedRun(run, app.ledger.state(run)) for run in found)
    merged = heapq.merge(own, theirs, key=lambda listed: listed.newest.started_at, reverse=True)
    runs = islice(merged, request.limit)
    if request.expand or any((request.name, request.date, request.status, request.group)):
        return RunList(request, runs, total, runs, tuple(warnings))
    folded = heapq.merge(_folded(app, request), theirs, key=lambda listed: listed.newest.started_at, reverse=True)
    return RunList(request, runs, total, islice(folded, request.limit), tuple(warnings))


def _folded(app: Container, request: RunListRequest) -> Iterator[ListedRun | ListedGroup]:
    """Yield runs, and in place of the newest of a group all of it."""
    seen: set[str | None] = set()
    for head in app.ledger.heads():
        if request.since is not None and head.started_at < request.since:
            return
        if head.group in seen:
            continue
        members = [head] if head.group is None else [*app.ledger.heads(group=head.group)]
        if len(members) == 1:
            alike = app.ledger.stream(head.name, head.game_date, head.started_at, limit=None)
            yield from (ListedRun(run, app.ledger.state(run)) for run in alike if run.run_id == head.run_id)
        else:
            seen.add(head.group)
            yield ListedGroup(tuple((run, app.ledger.state(run)) for run in members))


def _production(app: Container, request: RunListRequest) -> tuple[list[ListedRun], list[str]]:
    """Return the runs of production that match, newest first, and what of them could not be read."""
    if request.group is not None:
        return [], []
    # A run of a game date may start on a later day, so dates before the time are looked at too.
    first = request.date or (GameDate.of(request.since).plus(1 - DAYS) if request.since else None)
    try:
        found, warnings = production_runs(app, first, request.date)
    except NbactlError as error:
        return [], [f"production's runs were not read: {error.message}"]
    listed = [
        ListedRun(run, state)
        for run, state in found
        if (request.name is None or has_name(run, request.name))
        and (request.since is None or run.started_at >= request.since)
        and (request.status is None or state == request.status)
    ]
    return listed, warnings


def show_runs(app: Container, run: str) -> RunGroup:
    """Return a run, or all runs of a group. `run` is an id or the beginning of one, or `last`: the last group."""
    try:
        found = app.ledger.find_group(run)
    except NotFoundError:
        if app.settings.target != "gcp" or (logged := _logged(app, run)) is None:
            raise
        return RunGroup((logged,))
    unchecked, reasons = None, {}
    try:
        reasons = _not_fresh(app, found)
    except NbactlError as error:
        unchecked = error.message
    listed = (ListedRun(record, app.ledger.state(record), reasons.get(record.run_id)) for record in found)
    return RunGroup(tuple(listed), unchecked)


def _logged(app: Container, run_id: str) -> ListedRun | None:
    """Return the run of production with an id. A run that nobody can look for there is not there."""
    try:
        found = find_production_run(app, run_id)
    except NbactlError as error:
        app.notice(f"production's runs were not read: {error.message}")
        return None
    return None if found is None else ListedRun(*found)


def _not_fresh(app: Container, runs: Sequence[RunRecord]) -> dict[str, str]:
    """Return by run id why the finished ones are to be done again, of those that no later run of the date followed."""
    ended = [run for run in runs if run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)]
    if not ended or not follow_source(app, ended[-1]):
        return {}
    dates, source = [run.game_date for run in ended], ended[-1].source
    newest = dict(app.ledger.latest_between({run.name for run in ended}, min(dates), max(dates), source).items())
    last = [run for run in ended if newest.get((run.name, run.game_date)) == run]
    judged = {run_id: worst(tasks.values()) for run_id, tasks in app.freshness.judge(last).items()}
    return {run_id: found.reason for run_id, found in judged.items() if found.reason is not None}


def log_path(app: Container, run_id: str) -> Path:
    """Return the file of a run's log, which need not be there."""
    return run_log_path(app.settings.state_dir / "logs", run_id)


def read_log(app: Container, request: LogRequest, *, polls: Iterable[None] | None = None) -> RunLog:
    """Return what a run logged. With `polls` the log is followed: read at each poll, until the run has ended."""
    run = app.ledger.find(request.run)
    tasks = [task.name for task in run.tasks]
    if request.task is not None and request.task not in tasks:
        raise NotFoundError(
            f"run {run.run_id} has no task '{request.task}'", next_step=did_you_mean(request.task, tasks)
        )
    if request.level.lower() not in LEVELS:
        raise UsageError(f"'{request.level}' is not a log level", next_step=did_you_mean(request.level, LEVELS))
    path = log_path(app, run.run_id)
    if not path.exists() and polls is None:
        raise NotFoundError(
            f"run {run.run_id} has no log here",
            cause=f"{path} does not exist; the log may be on another machine or in another state directory.",
            next_step=f"See what the ledger has: nbactl runs show {run.run_id} -v",
        )
    file = LogFile(path, LogFilter(request.level.upper(), request.task))
    entries = file.new_entries(last=True) if polls is None else _follow(app, run.run_id, file, polls)
    return RunLog(run.run_id, entries)


def cancel_run(app: Container, request: CancelRequest, *, confirm: Confirm = proceed) -> Cancelled:
    """Stop a run in an orderly way, whatever process executes it, and wait until it has ended.

    Raises PreconditionError if it has ended already, StillRunningError if it has not ended in time.
    """
    run = app.ledger.find(request.run)
    state = app.ledger.state(run)
    if run.status is RunStatus.CANCELLED or request.dry_run:
        return Cancelled(request, run, state, already=run.status is RunStatus.CANCELLED)
    if state == RunStatus.RUNNING:
        confirm(Question(f"Cancel {run.run_id} ({run.name} {run.game_date})?"))
    app.ledger.request_cancel(run.run_id)
    if request.wait:
        timeouts = app.config.timeouts
        seconds = timeouts["run.cancel_wait"] if request.timeout is None else request.timeout
        run = app.ledger.wait_for_end(run.run_id, seconds, poll_every=timeouts["run.watch_poll"])
    return Cancelled(request, run, app.ledger.state(run))


def dismiss_runs(app: Container, request: DismissRequest, *, confirm: Confirm = proceed) -> Dismissal:
    """Have `status` neither list nor count the failures of runs; all of them or none.

    Raises PreconditionError for a run that did not fail, NotFoundError for one that is not there.
    """
    runs = list({run.run_id: run for run in map(app.ledger.find, request.runs)}.values())
    for run in runs:
        state = app.ledger.state(run)
        if not request.undo and state not in _FAILURES:
            raise PreconditionError(
                f"{run.run_id} cannot be dismissed: it is {state}",
                cause="Only a run that failed, was cancelled or was interrupted can be dismissed.",
                next_step=f"See what it did: nbactl runs show {run.run_id}",
            )
    changed = tuple(run.run_id for run in runs if (run.dismissed is not None) is request.undo)
    if changed and not request.dry_run:
        verb = "Show again" if request.undo else "Dismiss"
        confirm(Question(f"{verb} {', '.join(changed)}?"))
        if request.undo:
            app.ledger.undo_dismissal(changed)
        else:
            app.ledger.dismiss(changed, by=operator(), reason=request.reason)
        runs = [app.ledger.find(run.run_id) for run in runs]
    return Dismissal(request, tuple(ListedRun(run, app.ledger.state(run)) for run in runs), changed)


def _check_name(app: Container, name: str | None) -> None:
    """Raise NotFoundError for a name that is neither declared nor recorded."""
    file = app.config.workflows if name else None
    if name is None or file is None:
        return
    known = [*file.phases, *file.workflows, *file.tasks]
    if name == DAILY:
        raise NotFoundError(
            f"no run is named '{DAILY}'",
            cause=f"`nbactl run {DAILY}` starts one run for each phase.",
            next_step="List the runs of a date: nbactl runs list --date DATE",
        )
    if name not in known and not app.ledger.count(name):
        raise NotFoundError(f"no phase, workflow or task is named '{name}'", next_step=did_you_mean(name, known))


def _follow(app: Container, run_id: str, file: LogFile, polls: Iterable[None]) -> Iterator[dict[str, Any]]:
    for _ in polls:
        # Ask before reading: the file then holds everything that the run wrote before its end was recorded.
        ended = app.ledger.state(app.ledger.find(run_id)) != RunStatus.RUNNING
        yield from file.new_entries(last=ended)
        if ended:
            return
