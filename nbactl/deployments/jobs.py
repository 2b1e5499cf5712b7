"""Changes of scheduled jobs: planned, saved before they are made, verified by reading back, and taken back.

The scheduler has no versions, so a change is refused if a job is not as it was when the change was planned. Each change
is a document `job_changes/{id}` with the job as it was and as it is to be, without secrets. A change that was killed is
made by giving the command again: what is as wanted is left alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.jobs.compare import differences
from nbactl.core.jobs.pauses import PAUSES, forget_pause, pause_from, record_pause
from nbactl.deployments.job_forms import (
    JobForm,
    form_from,
    form_of,
    form_to,
    with_secrets,
    without_secrets,
)
from nbactl.deployments.job_plan import JobAction, JobStep
from nbactl.errors import AlreadyExistsError, NbactlError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Filter, Order, Query, Update

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.jobs import ScheduledJob, ScheduledJobs

CHANGES: Final = "job_changes"
_MOST_READ: Final = 200
"""How many of the newest changes are read at most to find the last one."""


@frozen
class MadeStep:
    """A step that was made; `change` is the id by which it is taken back, None if there was nothing to do."""

    step: JobStep
    change: str | None


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
        if there == step.after != step.before:
            return MadeStep(step, None)  # another operator wanted the same, or an earlier call was cut off here
        if there != step.before:
            raise _changed(step.name, "It is not as it was when the change was planned.")
        if step.pause is not None and step.before == step.after:  # it is paused already, and nobody said why
            record_pause(self._store, step.name, step.pause)
            return MadeStep(step, None)
        change = self._unfinished(step) or self._save(step)
        reach("jobs.saved")
        try:
            self._write(step)
            reach("jobs.written")
            self._turn(step)
            reach("jobs.turned")
            self._verify(step)
        except NbactlError as error:
            if self._has_begun(step):
                error.details["change"] = change
            raise
        self._store.commit([Update(f"{CHANGES}/{change}", {"made_at": self._clock.now()})])
        return MadeStep(step, change)

    def undo(self, change: str) -> JobStep:
        """Return the step that takes a change back; `last` is the newest that was not taken back.

        Raises NotFoundError, and PreconditionError if the job was changed again.
        """
        change = self._last() if change == "last" else change
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
            return JobStep(name, ("delete",), there, None, undoes=change)
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
        return JobStep(name, tuple(actions), there, before, differing, pause=pause, undoes=change)

    def _last(self) -> str:
        newest = Query(CHANGES, order=(Order("at", descending=True),), limit=_MOST_READ)
        undone: set[str] = set()
        for document in self._store.query(newest):
            undoes = document.data.get("undoes")
            if undoes is None and document.id not in undone:
                return document.id
            undone.add(str(undoes))
        raise NotFoundError("there is no change of a job to undo", next_step="nbactl audit list --action jobs")

    def _unfinished(self, step: JobStep) -> str | None:
        """Return the last change of a job if it was cut off and wanted the same: it knows how the job was before."""
        mine = self._store.query(Query(CHANGES, (Filter("job", "==", step.name),)))
        last = max(mine, key=lambda document: (document.data["at"], document.id), default=None)
        if last is None or last.data["made_at"] is not None or last.data.get("undoes") != step.undoes:
            return None
        before, after = (form_from(last.data[key]) for key in ("before", "after"))
        same = after == without_secrets(step.after) and without_secrets(step.before) in (
            before,
            _halfway(before, after),
        )
        return last.id if same else None

    def _has_begun(self, step: JobStep) -> bool:
        try:
            return form_of(self._find(step.name)) != step.before
        except NbactlError:
            return True

    def _find(self, name: str) -> ScheduledJob | None:
        try:
            return self._jobs.get(name)
        except NotFoundError:
            return None

    def _save(self, step: JobStep) -> str:
        change = self._ids.new("job")
        forms = {"before": form_to(step.before), "after": form_to(step.after)}
        data: dict[str, Any] = {"job": step.name, "by": self._by, "at": self._clock.now(), "made_at": None, **forms}
        if step.undoes is not None:
            data["undoes"] = step.undoes
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
            self._pause(step)
        elif "resume" in step.actions:
            self._jobs.resume(step.name)
            forget_pause(self._store, step.name)

    def _pause(self, step: JobStep) -> None:
        """Pause a job, and keep why before that; a refusal leaves what was kept before."""
        former = self._store.get(f"{PAUSES}/{step.name}")
        if step.pause is not None and step.pause.by is not None:
            record_pause(self._store, step.name, step.pause)
        try:
            self._jobs.pause(step.name)
        except NbactlError as error:
            if not error.retryable:
                forget_pause(self._store, step.name)
                if former is not None:
                    record_pause(self._store, step.name, pause_from(former.data))
            raise

    def _verify(self, step: JobStep) -> None:
        there, wanted = form_of(self._find(step.name)), step.after
        if there is None or wanted is None:
            if there is not wanted:
                raise _changed(step.name, "It is not there any more." if there is None else "It is there again.")
            return
        wrong = [difference.key for difference in differences(wanted.spec, there.spec)]
        if there.broken:
            raise PreconditionError(
                f"job {step.name} was updated, and does not run",
                cause="Cloud Scheduler still has it as disabled, or as not updated.",
                next_step=f"Delete it, then make it again: nbactl jobs apply {step.name}",
            )
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
