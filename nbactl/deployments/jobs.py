"""Changes of scheduled jobs: planned, saved before they are made, verified by reading back, and taken back.

The scheduler has no versions, so a change is refused if a job is not as it was when the change was planned. Each change
is a document `job_changes/{id}` with the job as it was and as it is to be, without secrets. A change that was killed is
made by giving the command again: what is as wanted is left alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.faults import reach
from nbactl.core.jobs.compare import differences, merged
from nbactl.core.jobs.pauses import PAUSES, forget_pause, pause_from, record_pause
from nbactl.deployments.job_forms import JobForm, form_from, form_of, form_to, with_secrets, without_secrets
from nbactl.errors import AlreadyExistsError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Update
from nbactl.ports.jobs import UnknownTarget

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.jobs.model import Difference, JobStatus, PausedJob
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.jobs import JobSpec, ScheduledJob, ScheduledJobs

CHANGES: Final = "job_changes"
JobAction = Literal["create", "update", "pause", "resume", "delete", "keep"]


@frozen
class JobStep:
    """A change of one job. `actions` are what is done, in order; empty if it is as wanted.

    `before` is the job as it was when this was planned, `after` as it is to be; None where there is no such job.
    `note` says what is left as it is, and why.
    """

    name: str
    actions: tuple[JobAction, ...]
    before: JobForm | None
    after: JobForm | None
    differences: tuple[Difference, ...] = ()
    note: str | None = None
    pause: PausedJob | None = None
    """Why the job is paused, kept when the step pauses it."""


@frozen
class MadeStep:
    """A step that was made; `change` is the id by which it is taken back, None if there was nothing to do."""

    step: JobStep
    change: str | None


def plan_jobs(
    statuses: Sequence[JobStatus], now: datetime, *, names: Collection[str] = (), prune: bool
) -> list[JobStep]:
    """Return what makes jobs as they are declared, also of those that are so already.

    Only `names`, if there are any. Jobs that are not declared are deleted with `prune`, and else left out.
    """
    from nbactl.core._support.gamedate import GameDate  # noqa: PLC0415 - only a plan asks for the day

    today = GameDate.of(now).day
    steps = []
    for status in statuses:
        if names and status.name not in names:
            continue
        before = form_of(status.job)
        if status.declared is None:
            if prune:
                steps.append(JobStep(status.name, ("delete",), before, None))
        elif status.declared.spec is None:
            steps.append(JobStep(status.name, (), before, before, note=status.declared.problem))
        else:
            steps.append(_wanted(status, before, status.declared.spec, today))
    return steps


def _wanted(status: JobStatus, before: JobForm | None, spec: JobSpec, today: object) -> JobStep:
    declared = status.declared
    pause = None if declared is None else declared.paused
    paused, note = _is_to_pause(status, pause, today)
    if before is None:
        actions: tuple[JobAction, ...] = ("create", "pause") if paused else ("create",)
        return JobStep(status.name, actions, None, JobForm(spec, paused), note=note, pause=pause)
    if isinstance(before.spec.target, UnknownTarget):
        text = f"its target is of a kind that nbactl does not know ({before.spec.target.kind}), and is left alone"
        return JobStep(status.name, (), before, before, note=text)
    found: list[JobAction] = ["update"] if status.differences else []
    if paused != before.paused:
        found.append("pause" if paused else "resume")
    after = JobForm(merged(spec, before.spec) if status.differences else before.spec, paused)
    return JobStep(status.name, tuple(found), before, after, status.differences, note, pause if paused else None)


def _is_to_pause(status: JobStatus, declared: PausedJob | None, today: Any) -> tuple[bool, str | None]:  # noqa: ANN401
    """Say whether a job is to be paused: as declared until that is over, and as an operator paused it."""
    if declared is not None and (declared.until is None or declared.until >= today):
        return True, None
    recorded = status.pause if status.job is not None and status.job.state == "paused" else None
    if recorded is not None and recorded.by is not None and (recorded.until is None or recorded.until >= today):
        return True, f"stays paused: {recorded.reason} ({recorded.by})"
    return False, None


class JobChanges:
    """Makes changes for one operator."""

    def __init__(self, jobs: ScheduledJobs, store: DocumentStore, clock: Clock, ids: IdGenerator, by: str) -> None:
        self._jobs = jobs
        self._store = store
        self._clock = clock
        self._ids = ids
        self._by = by

    def make(self, step: JobStep) -> MadeStep:
        """Make a step. Raises PreconditionError if the job was changed since it was planned, or right after.

        Raises what the scheduler raises; what was done until then is found by planning again.
        """
        if not step.actions:
            return MadeStep(step, None)
        there = form_of(self._find(step.name))
        if there == step.after:
            return MadeStep(step, None)  # another operator wanted the same, or an earlier call was cut off here
        if there != step.before:
            raise _changed(step.name, "It is not as it was when the change was planned.")
        change = self._save(step)
        reach("jobs.saved")
        self._write(step)
        reach("jobs.written")
        self._turn(step)
        reach("jobs.turned")
        self._verify(step)
        self._store.commit([Update(f"{CHANGES}/{change}", {"made_at": self._clock.now()})])
        return MadeStep(step, change)

    def undo(self, change: str) -> JobStep:
        """Return the step that takes a change back.

        Raises NotFoundError, and PreconditionError if the job was changed again.
        """
        document = self._store.get(f"{CHANGES}/{change}")
        if document is None:
            raise NotFoundError(f"there is no change {change} of a job", next_step="nbactl audit list --action jobs")
        name, before, after = (document.data["job"], *(form_from(document.data[key]) for key in ("before", "after")))
        there = form_of(self._find(name))
        seen = without_secrets(there)
        if seen == before:
            return JobStep(name, (), there, there)
        if seen not in (after, _halfway(before, after)):
            raise _changed(name, f"It is not as the change {change} left it.")
        if before is None:
            return JobStep(name, ("delete",), there, None)
        before = with_secrets(before, there)
        actions: list[JobAction] = []
        if there is None:
            actions.append("create")
        elif there.spec != before.spec:
            actions.append("update")
        if before.paused != (there is not None and there.paused):
            actions.append("pause" if before.paused else "resume")
        differing = () if there is None else differences(before.spec, there.spec)
        pause = pause_from(document.data["pause"]) if "pause" in document.data else None
        return JobStep(name, tuple(actions), there, before, differing, pause=pause)

    def _find(self, name: str) -> ScheduledJob | None:
        try:
            return self._jobs.get(name)
        except NotFoundError:
            return None

    def _save(self, step: JobStep) -> str:
        change = self._ids.new("job")
        forms = {"before": form_to(step.before), "after": form_to(step.after)}
        data: dict[str, Any] = {"job": step.name, "by": self._by, "at": self._clock.now(), "made_at": None, **forms}
        if "resume" in step.actions and (pause := self._store.get(f"{PAUSES}/{step.name}")) is not None:
            data["pause"] = dict(pause.data)
        self._store.commit([Create(f"{CHANGES}/{change}", data)])
        return change

    def _write(self, step: JobStep) -> None:
        if "delete" in step.actions:
            self._jobs.delete(step.name)
        elif step.after is not None and "create" in step.actions:
            try:
                self._jobs.create(step.after.spec)
            except AlreadyExistsError as error:
                raise _changed(step.name, "Someone else created it.") from error
        elif step.after is not None and "update" in step.actions:
            self._jobs.update(step.after.spec)

    def _turn(self, step: JobStep) -> None:
        if "pause" in step.actions:
            if step.pause is not None and step.pause.by is not None:
                record_pause(self._store, step.name, step.pause)
            self._jobs.pause(step.name)
        elif "resume" in step.actions:
            self._jobs.resume(step.name)
            forget_pause(self._store, step.name)

    def _verify(self, step: JobStep) -> None:
        there, wanted = form_of(self._find(step.name)), step.after
        if there is None or wanted is None:
            if there is not wanted:
                raise _changed(step.name, "It is not there any more." if there is None else "It is there again.")
            return
        wrong = [difference.key for difference in differences(wanted.spec, there.spec)]
        if wrong or there.paused != wanted.paused:
            raise _changed(step.name, f"Not as wanted: {', '.join(wrong) or 'paused'}.")


def _halfway(before: JobForm | None, after: JobForm | None) -> JobForm | None:
    """Return what a change leaves that was cut off between writing a job and pausing it."""
    return None if after is None else replace(after, paused=before is not None and before.paused)


def _changed(name: str, cause: str) -> PreconditionError:
    return PreconditionError(
        f"job {name} was changed by someone else in the meantime",
        cause=cause,
        next_step="See what it is now: nbactl jobs diff",
        details={"job": name},
    )
