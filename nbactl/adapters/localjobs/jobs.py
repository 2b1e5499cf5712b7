"""The scheduler port on the embedded documents; `runner.py` sends what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.localjobs.records import JOBS, read_job, spec_fields
from nbactl.core.jobs.cron import check_cron, next_run, zone_of
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError
from nbactl.ports.documents import Create, Delete, Query, Update
from nbactl.ports.jobs import HttpTarget, JobSpec, ScheduledJob, UnknownTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore, Transaction
    from nbactl.ports.jobs import JobState

DEFAULT_DEADLINE: Final = 180.0
"""Seconds, as of Cloud Scheduler: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs."""
_SHORTEST, _LONGEST = 15.0, 1800.0
"""Of an attempt deadline, in seconds; as above."""


class LocalJobs:
    """The jobs of this machine. They are sent only while `nbactl up` runs."""

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    def list(self) -> list[ScheduledJob]:
        found = [read_job(document.data) for document in self._documents.query(Query(JOBS))]
        return sorted(found, key=lambda job: job.spec.name)

    def get(self, name: str) -> ScheduledJob:
        return read_job(_there(self._documents.get(f"{JOBS}/{name}"), name).data)

    def create(self, spec: JobSpec) -> ScheduledJob:
        now = self._clock.now()
        job = ScheduledJob(_checked(spec), "enabled", next_run_at=_next(spec, now), changed_at=now)
        try:
            self._documents.commit([Create(f"{JOBS}/{spec.name}", spec_fields(job))])
        except AlreadyExistsError as error:
            raise AlreadyExistsError(f"job {spec.name} is there already", cause=error.message) from error
        return self.get(spec.name)

    def update(self, spec: JobSpec) -> ScheduledJob:
        spec = _checked(spec)

        def changed(before: ScheduledJob, now: datetime) -> ScheduledJob:
            return ScheduledJob(spec, before.state, next_run_at=_next(spec, now), changed_at=now)

        return self._change(spec.name, changed)

    def pause(self, name: str) -> ScheduledJob:
        return self._turn(name, "paused")

    def resume(self, name: str) -> ScheduledJob:
        return self._turn(name, "enabled")

    def run(self, name: str) -> ScheduledJob:
        self._write(name, lambda _, now: {"forced_at": now})
        return self.get(name)

    def delete(self, name: str) -> None:
        def remove(transaction: Transaction) -> None:
            _there(transaction.get(f"{JOBS}/{name}"), name)
            transaction.write(Delete(f"{JOBS}/{name}"))

        self._documents.transaction(remove)

    def _turn(self, name: str, state: JobState) -> ScheduledJob:
        def turned(before: ScheduledJob, now: datetime) -> ScheduledJob:
            return ScheduledJob(before.spec, state, next_run_at=_next(before.spec, now), changed_at=before.changed_at)

        return self._change(name, turned)

    def _change(self, name: str, change: Callable[[ScheduledJob, datetime], ScheduledJob]) -> ScheduledJob:
        self._write(name, lambda job, now: dict(spec_fields(change(job, now))))
        return self.get(name)

    def _write(self, name: str, fields: Callable[[ScheduledJob, datetime], Mapping[Any, Any]]) -> None:
        def write(transaction: Transaction) -> None:
            before = read_job(_there(transaction.get(f"{JOBS}/{name}"), name).data)
            transaction.write(Update(f"{JOBS}/{name}", fields(before, self._clock.now())))

        self._documents.transaction(write)


def _there(document: Document | None, name: str) -> Document:
    if document is None:
        raise NotFoundError(f"there is no job {name} on this machine", next_step="nbactl jobs list")
    return document


def _next(spec: JobSpec, now: datetime) -> datetime | None:
    return next_run(spec.schedule, spec.timezone, now)


def _checked(spec: JobSpec) -> JobSpec:
    """Return the spec with the default deadline. Raises DataError for what Cloud Scheduler refuses, too."""
    wrong = check_cron(spec.schedule)
    if wrong is None and zone_of(spec.timezone) is None:
        wrong = f"there is no time zone '{spec.timezone}'"
    if isinstance(spec.target, UnknownTarget):
        wrong = f"its target is of a kind that nbactl cannot write: {spec.target.kind}"
    deadline = spec.attempt_deadline
    if isinstance(spec.target, HttpTarget):
        deadline = DEFAULT_DEADLINE if deadline is None else deadline
        if not _SHORTEST <= deadline <= _LONGEST:
            wrong = "an attempt deadline is between 15s and 30m"
    if wrong is not None:
        raise DataError(f"job {spec.name} is refused", cause=wrong)
    return JobSpec(
        spec.name, spec.schedule, spec.timezone, spec.target, deadline, spec.retries, spec.description, spec.other
    )  # fmt: skip
