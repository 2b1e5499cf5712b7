"""Scheduled jobs: what is declared against what is there, changes that can be taken back, runs by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.jobs import make_job_changes, read_jobs
from nbactl.bootstrap.localrun import is_up
from nbactl.cli.ask import Question, operator, proceed
from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.names import did_you_mean
from nbactl.core.jobs.compare import target_text
from nbactl.core.jobs.model import PausedJob
from nbactl.core.jobs.pauses import read_pauses
from nbactl.deployments.job_forms import JobForm, form_of
from nbactl.deployments.job_plan import JobStep, plan_jobs
from nbactl.deployments.jobs import MadeStep
from nbactl.errors import (
    CheckFailedError,
    NbactlError,
    NotFoundError,
    PartialRunError,
    PreconditionError,
    StillRunningError,
    TimedOutError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.jobs.model import JobStatus
    from nbactl.deployments.job_plan import JobAction
    from nbactl.ports.jobs import ScheduledJob

_DEFAULT_DEADLINE: Final = 180.0
"""Seconds, of a job that has none: that of Cloud Scheduler."""


_ELSEWHERE: Final = "It calls neither a service of nbactl nor a topic: use --target gcp."


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Which jobs to make as they are declared; all without names. `prune` deletes those that are not declared."""

    names: tuple[str, ...] = ()
    prune: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class JobsChanged:
    """What was planned, and what of it was made. `error` is why it did not go on after that."""

    steps: tuple[JobStep, ...]
    made: tuple[MadeStep, ...] = ()
    error: NbactlError | None = None
    dry_run: bool = False

    @property
    def pending(self) -> tuple[JobStep, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.actions)

    @property
    def blocked(self) -> tuple[JobStep, ...]:
        """The steps that cannot make a job as it is declared."""
        return tuple(step for step in self.steps if step.blocked)

    @property
    def undo(self) -> tuple[tuple[str, ...], ...]:
        """The words of the commands that take it back, the last change first."""
        changes = [one.change for one in self.made if one.change is not None]
        return tuple(("jobs", "undo", change) for change in reversed(changes))


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run by hand. `seconds` is how long it took; `job` is as it was afterwards."""

    name: str
    job: ScheduledJob
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def error(self) -> NbactlError | None:
        """Why the attempt failed."""
        if self.dry_run or self.job.last_error is None:
            return None
        return CheckFailedError(
            f"the attempt of {self.name} failed: {self.job.last_error}",
            cause=f"It was {target_text(self.job.spec.target)}.",
            next_step="See what is wrong with it: nbactl jobs list",
        )


def diff_jobs(app: Container, names: tuple[str, ...] = ()) -> JobsChanged:
    """Return what `apply` would change; jobs that are not declared are named with `keep`."""
    statuses = read_jobs(app)
    _check_names(app, statuses, names)
    others = [status for status in statuses if status.declared is None and (not names or status.name in names)]
    steps = plan_jobs(statuses, app.clock.now(), names=names, prune=False)
    kept = [JobStep(one.name, (), form_of(one.job), form_of(one.job), note="not declared") for one in others]
    return JobsChanged(tuple(sorted([*steps, *kept], key=lambda step: step.name)), dry_run=True)


def apply_jobs(app: Container, request: ApplyRequest, *, confirm: Confirm = proceed) -> JobsChanged:
    """Make jobs as they are declared. What was made before an error is kept, and the error is in the result.

    Raises NotFoundError for a name that is neither declared nor there, PreconditionError for one that is not declared.
    """
    statuses = read_jobs(app)
    _check_names(app, statuses, request.names)
    others = [status.name for status in statuses if status.declared is None and status.name in request.names]
    if others and not request.prune:
        raise PreconditionError(
            f"job {others[0]} is not declared: nobody said how it should be", next_step="Declare it: nbactl jobs import"
        )
    steps = tuple(plan_jobs(statuses, app.clock.now(), names=request.names, prune=request.prune))
    found = JobsChanged(steps, dry_run=request.dry_run)
    if request.dry_run:
        return found
    if not found.pending:
        return _with_blocked(found)
    deletes = any("delete" in step.actions for step in found.pending)
    text = f"Change {_jobs(len(found.pending))} of the scheduler?"
    confirm(Question(text, tuple(map(step_text, found.pending)), always=deletes))
    return _with_blocked(_make(app, found))


def undo_change(app: Container, change: str, *, dry_run: bool = False, confirm: Confirm = proceed) -> JobsChanged:
    """Take a change of a job back, or the `last` one.

    Raises NotFoundError, and PreconditionError if the job was changed again.
    """
    step = make_job_changes(app, operator()).undo(change)
    found = JobsChanged((step,), dry_run=dry_run)
    if dry_run or not found.pending:
        return found
    confirm(Question("Take a change of a job back?", (step_text(step),), always="delete" in step.actions))
    return _make(app, found)


def pause_job(
    app: Container, name: str, reason: str, until: date | None, *, dry_run: bool = False, confirm: Confirm = proceed
) -> JobsChanged:
    """Pause a job, and keep who did it and why. Raises NotFoundError, UsageError for an end that is over."""
    now = app.clock.now()
    if until is not None and until < GameDate.of(now).day:
        raise UsageError(f"--until {until} is over", next_step="Give the last day on which it is to be paused.")
    pause = PausedJob(reason, until, operator(), now)
    job = _get(app, name)
    before = _running_form(job)
    known = read_pauses(app.documents).get(name) if before.paused else None
    said = known is not None and (known.reason, known.until) == (reason, until)
    actions: tuple[JobAction, ...] = () if said else ("pause",)
    note = "it is paused already, and gets this reason" if before.paused and not said else None
    step = JobStep(name, actions, before, replace(before, paused=True), note=note, pause=pause)
    end = "without an end" if until is None else f"until {until}"
    return _turn(app, step, f"Pause job {name} {end}?", (f"Reason: {reason}",), dry_run=dry_run, confirm=confirm)


def resume_job(app: Container, name: str, *, dry_run: bool = False, confirm: Confirm = proceed) -> JobsChanged:
    """Let a job run again. Raises NotFoundError."""
    job = _get(app, name)
    before = _running_form(job)
    declared = app.config.workflows.jobs.get(name)
    note = None
    if declared is not None and declared.paused is not None:
        note = "workflows.yaml declares it as paused: `nbactl jobs apply` pauses it again until its `until` is over"
    actions: tuple[JobAction, ...] = ("resume",) if before.paused else ()
    step = JobStep(name, actions, before, replace(before, paused=False), note=note)
    return _turn(app, step, f"Resume job {name}?", (), dry_run=dry_run, confirm=confirm)


def run_job(
    app: Container, name: str, *, timeout: float | None = None, dry_run: bool = False, confirm: Confirm = proceed
) -> JobRun:
    """Have a job run once now, and wait for the end of the attempt.

    Raises NotFoundError, StillRunningError if it has not ended in time (by default its deadline and half a minute).
    """
    jobs, before = app.target.scheduled_jobs(app), _get(app, name)
    if dry_run:
        return JobRun(name, before, dry_run=True)
    if app.settings.target == "local" and not is_up(app):
        raise PreconditionError(
            "the jobs of this machine are sent by `nbactl up`, which does not run", next_step="nbactl up"
        )
    confirm(Question(f"Run job {name} now?", (target_text(before.spec.target),)))
    began = app.clock.monotonic()
    try:
        jobs.run(name)
    except (UnavailableError, TimedOutError) as error:
        error.next_step = f"It may run all the same; look before you try again: nbactl jobs list {name}"
        raise
    reach("jobs.ran")
    limit = timeout or (before.spec.attempt_deadline or _DEFAULT_DEADLINE) + app.config.timeouts["service.admin"]
    while True:
        job, seconds = jobs.get(name), app.clock.monotonic() - began
        if job.last_attempt_at is not None and job.last_attempt_at != before.last_attempt_at:
            return JobRun(name, job, seconds)
        if app.settings.target == "local" and not is_up(app):
            raise StillRunningError(
                f"{name} was not sent: `nbactl up` ended meanwhile",
                cause="It sends the job when it starts again.",
                next_step="nbactl up",
            )
        if seconds >= limit:
            raise StillRunningError(
                f"the attempt of {name} has not ended after {format_duration(limit)}",
                cause="The scheduler accepted the run, and has not said how it ended.",
                next_step=f"Look again: nbactl jobs list {name}",
            )
        app.clock.sleep(app.config.timeouts["scheduler.run_poll"])


def list_jobs(app: Container, names: tuple[str, ...] = ()) -> list[JobStatus]:
    """Return the jobs of these names, all without names. Raises NotFoundError."""
    if app.settings.target == "local" and not is_up(app):
        app.notice("`nbactl up` does not run: no job of this machine is sent until it does")
    statuses = read_jobs(app)
    _check_names(app, statuses, names)
    return [status for status in statuses if not names or status.name in names]


def step_text(step: JobStep) -> str:
    """Return a step in one line: `nbactl-tick: update: schedule */5 * * * * → */10 * * * *`."""
    what = " and ".join(step.actions) or ("left alone" if step.blocked else "keep")
    if "create" in step.actions and step.after is not None:
        spec = step.after.spec
        what = what.replace("create", f"create ({spec.schedule} {spec.timezone}, {target_text(spec.target)})")
    changes = [f"{one.key} {one.there or 'none'} → {one.wanted or 'none'}" for one in step.differences]
    shown = f": {'; '.join(changes)}" if changes and step.actions else ""
    return f"{step.name}: {what}{shown}{f' ({step.note})' if step.note else ''}"


def _turn(
    app: Container, step: JobStep, question: str, lines: tuple[str, ...], *, dry_run: bool, confirm: Confirm
) -> JobsChanged:
    found = JobsChanged((step,), dry_run=dry_run)
    if dry_run or not step.actions:
        return found
    confirm(Question(question, lines))
    return _make(app, found)


def _make(app: Container, planned: JobsChanged) -> JobsChanged:
    changes = make_job_changes(app, operator())
    made: list[MadeStep] = []
    make: Callable[[JobStep], MadeStep] = changes.make
    for step in planned.pending:
        try:
            made.append(make(step))
        except NbactlError as error:
            if (change := error.details.get("change")) is not None:  # a part of it was made, and can be taken back
                made.append(MadeStep(step, change))
            return replace(planned, made=tuple(made), error=error)
    return replace(planned, made=tuple(made))


def _with_blocked(done: JobsChanged) -> JobsChanged:
    """Return what was done, with the error that not all jobs are as declared."""
    if done.error is not None or not done.blocked:
        return done
    first = done.blocked[0]
    error = PartialRunError(
        f"{_jobs(len(done.blocked))} left alone: {', '.join(step.name for step in done.blocked)}",
        cause=f"{first.name}: {first.note}.",
        next_step="nbactl jobs list",
    )
    return replace(done, error=error)


def _running_form(job: ScheduledJob) -> JobForm:
    """Return a job that can be paused and resumed. Raises PreconditionError for one that the scheduler disabled."""
    if job.state not in {"enabled", "paused"}:
        raise PreconditionError(
            f"job {job.spec.name} can be neither paused nor resumed: its state is {job.state}",
            next_step=f"Make it as declared: nbactl jobs apply {job.spec.name}",
        )
    return JobForm(job.spec, paused=job.state == "paused")


def _get(app: Container, name: str) -> ScheduledJob:
    jobs = app.target.scheduled_jobs(app)
    try:
        return jobs.get(name)
    except NotFoundError as error:
        known = [job.spec.name for job in jobs.list()]
        if _is_elsewhere(app, name):
            error.next_step = _ELSEWHERE
        elif name in app.config.workflows.jobs:
            error.next_step = f"It is declared: nbactl jobs apply {name}"
        else:
            error.next_step = did_you_mean(name, known)
        raise


def _is_elsewhere(app: Container, name: str) -> bool:
    """Say whether a job is declared, and none of this machine: it calls something that `nbactl up` does not run."""
    return app.settings.target == "local" and name in app.config.workflows.jobs


def _check_names(app: Container, statuses: Sequence[JobStatus], names: tuple[str, ...]) -> None:
    known = [status.name for status in statuses]
    for name in names:
        if name not in known and _is_elsewhere(app, name):
            raise NotFoundError(f"job {name} is none of this machine", next_step=_ELSEWHERE, details={"job": name})
        if name not in known:
            raise NotFoundError(
                f"job {name} is neither declared nor there", next_step=did_you_mean(name, known), details={"job": name}
            )


def _jobs(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
