"""The change engine of services: saved first, carried out service by service, verified, and undone by id."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.deployments.conflicts import explain_conflict
from nbactl.deployments.parallel import at_once as in_parallel
from nbactl.deployments.plan import ChangeResult, ServiceOutcome, ServicesWork, lacks
from nbactl.deployments.records import NOT_SENT, ChangeRecord, ServiceChange
from nbactl.deployments.undo import plan_undo_of
from nbactl.errors import (
    NbactlError,
    NotFoundError,
    PartialRunError,
    PreconditionError,
    StillRunningError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.deployments.log import ChangeLog
    from nbactl.deployments.plan import ServicePlan
    from nbactl.ports.services import DeployedService, DeployedServices, ServiceEdit

    Apply = Callable[[ServicePlan], DeployedService]


_WORK: Final = "services"
"""The work that the processes of changes are named after."""
_ON_THE_WAY: Final = (PartialRunError, StillRunningError, UnavailableError)
"""After these errors a change in several steps stays where it is, and can be continued."""


def no_report(event: ChangeRecord | ServiceOutcome) -> None:
    """Report nothing."""


class ServiceChanges:
    """Changes services of one `place` (project and region): variables, settings, traffic. Undoes such changes."""

    def __init__(self, services: DeployedServices, *, clock: Clock, ids: IdGenerator, place: str) -> None:
        self._services = services
        self._clock = clock
        self._ids = ids
        self._place = place

    def carry_out(
        self,
        log: ChangeLog,
        work: ServicesWork,
        *,
        by: str,
        reason: str | None,
        undoes: str | None = None,
        continues: ChangeRecord | None = None,
        at_once: int = 1,
        report: Callable[[ChangeRecord | ServiceOutcome], None] = no_report,
        apply: Apply | None = None,
    ) -> ChangeResult:
        """Save the change in `log`, then change service by service; a failure of one does not stop the others.

        `undoes` is the id of a change that this one undoes, `continues` a change of a killed process that this one
        finishes under its id, `at_once` how many services are changed in parallel. `apply` changes a service in more
        than one step; it raises NbactlError. `report` gets the change when it is saved, then each outcome. Raises only
        if the change cannot be saved: nothing was sent then (invariants 13, 19).
        """
        if not work.plans:
            return ChangeResult(work, None, tuple(work.failed), tuple(work.warnings))
        change = continues
        if change is None:
            services = tuple(
                ServiceChange(plan.service, plan.before, plan.after, through=plan.through) for plan in work.plans
            )
            now, process = self._clock.now(), process_identity(_WORK)
            change = ChangeRecord(self._ids.new("svc"), now, by, reason, self._place, services, undoes, process=process)
            log.create(change)
        reach("service_env.saved")
        report(change)
        outcomes, warnings = list(work.failed), list(work.warnings)
        for outcome in self._apply_all(work.plans, at_once, apply or self._send):
            outcomes.append(outcome)
            report(outcome)
        if any(plan.through for plan in work.plans) and any(isinstance(one.error, _ON_THE_WAY) for one in outcomes):
            return ChangeResult(work, change, tuple(outcomes), tuple(warnings))  # the same command continues it
        try:
            self._finish(log, change, outcomes)
        except UnavailableError as error:
            warnings.append(
                f"the result could not be saved with {change.id}, which can be undone nevertheless: {error}"
            )
        return ChangeResult(work, change, tuple(outcomes), tuple(warnings))

    def find(self, logs: Sequence[ChangeLog], wanted: str) -> tuple[ChangeLog, ChangeRecord]:
        """Return a change by its id, or by `last` the newest that was not undone, and the log that has it.

        The logs are asked in their order. Raises NotFoundError, and UsageError for a change of another place.
        """
        found = _last(logs) if wanted == "last" else _by_id(logs, wanted)
        if found is None:
            raise NotFoundError(
                "there is no change to undo" if wanted == "last" else f"there is no change {wanted}",
                next_step="See what was changed: nbactl services changes",
            )
        if found[1].place != self._place:
            place, _, region = found[1].place.partition("/")
            raise UsageError(
                f"the change {found[1].id} was made in another place",
                cause=f"It changed services of {found[1].place}, and this command works on {self._place}.",
                next_step=f"Give --project {place} --region {region}.",
            )
        return found

    def plan_undo(self, change: ChangeRecord) -> ServicesWork:
        """Return what brings the old values back; a service where that is not possible is in `failed`.

        A service that was never reached still has them and needs nothing. A value that is neither the old nor the new
        one was set by somebody else, and is not overwritten.
        """
        work = ServicesWork()
        for service in change.services:
            try:
                plan = plan_undo_of(service, self._services.get(service.service))
            except NbactlError as error:
                work.failed.append(ServiceOutcome(service.service, error=error))
            else:
                if plan is not None:
                    work.plans.append(plan)
        return work

    def mark_undone(self, log: ChangeLog, change: ChangeRecord, by: str) -> None:
        """Note the id of the change that undid this one."""
        log.replace(replace(change, undone_by=by))

    def unfinished(self, log: ChangeLog) -> list[ChangeRecord]:
        """Return the changes that began, never ended, and were not undone: their process was killed, or still runs."""
        return [change for change in log.newest() if change.finished_at is None and change.undone_by is None]

    def close(self, log: ChangeLog, changes: Iterable[ChangeRecord]) -> None:
        """Mark unfinished changes as seen to, so that they are not reported again. They can still be undone."""
        for change in changes:
            log.replace(replace(change, finished_at=self._clock.now()))

    def continued(self, unfinished: Sequence[ChangeRecord], plans: Sequence[ServicePlan]) -> ChangeRecord | None:
        """Return the change of a process that is gone that these plans finish, so that it keeps its id and its undo."""

        def is_rest_of(plan: ServicePlan, change: ServiceChange | None) -> bool:
            return change is not None and _values(change.after, change.before) == _values(plan.after, plan.before)

        for change in unfinished:
            mine = is_left(change) and change.place == self._place
            if mine and plans and all(is_rest_of(plan, change.of(plan.service)) for plan in plans):
                return change
        return None

    def _apply_all(self, plans: Sequence[ServicePlan], at_once: int, apply: Apply) -> Iterator[ServiceOutcome]:
        """Carry out plans and yield each outcome as it comes."""
        if at_once == 1:
            yield from (self._apply(plan, apply) for plan in plans)
            return
        yield from (outcome for _, outcome in in_parallel(plans, partial(self._apply, apply=apply), at_once))

    def _apply(self, plan: ServicePlan, apply: Apply) -> ServiceOutcome:
        try:
            deployed = apply(plan)
        except NbactlError as error:
            return ServiceOutcome(plan.service, error=error, makes_revision=plan.makes_revision)
        finally:
            reach("service_env.applied")
        return ServiceOutcome(plan.service, deployed, makes_revision=plan.makes_revision)

    def _send(self, plan: ServicePlan) -> DeployedService:
        return self.send(plan.seen, plan.after)

    def send(self, seen: DeployedService, edit: ServiceEdit) -> DeployedService:
        """Change a service that still is as it was seen; return it as read back.

        Raises what the port raises; a PreconditionError says who changed it in between, and what.
        """
        try:
            deployed = self._services.change(seen.name, edit, expected_version=seen.version)
        except PreconditionError as error:
            explain_conflict(error, seen, self._services, edit)
            raise
        if lacks(deployed, edit):
            raise PreconditionError(
                f"{seen.name} does not have what was sent",
                cause="Read back after the change it has other values.",
                next_step=f"See what it has: nbactl services show {seen.name}",
                details={"service": seen.name},
            )
        return deployed

    def _finish(self, log: ChangeLog, change: ChangeRecord, outcomes: Sequence[ServiceOutcome]) -> None:
        codes = {outcome.service: _code_of(outcome.error) for outcome in outcomes}
        services = tuple(
            replace(service, outcome=codes.get(service.service, service.outcome)) for service in change.services
        )
        log.replace(replace(change, services=services, finished_at=self._clock.now()))


def _code_of(error: NbactlError | None) -> str:
    if error is None:
        return "done"
    return NOT_SENT if error.details.get("sent") is False else error.code


def is_left(change: ChangeRecord) -> bool:
    """Say whether nobody carries a change out any more: its process is gone, or is this one, which is back."""
    process = change.process
    return process is not None and (is_dead(process) or process == process_identity(_WORK))


def _values(*edits: ServiceEdit) -> list[object]:
    return [(edit.env, edit.settings, None if edit.traffic is None else tuple(edit.traffic)) for edit in edits]


def _by_id(logs: Sequence[ChangeLog], change_id: str) -> tuple[ChangeLog, ChangeRecord] | None:
    for log in logs:
        if (change := log.get(change_id)) is not None:
            return log, change
    return None


def _last(logs: Sequence[ChangeLog]) -> tuple[ChangeLog, ChangeRecord] | None:
    """Return the newest change of all logs that was neither undone nor is itself an undo, nor lost to someone else."""
    newest = []
    for log in logs:
        for change in log.newest():
            lost = all(one.outcome == NOT_SENT for one in change.services)
            if change.undone_by is None and change.undoes is None and not lost:
                newest.append((log, change))
                break
    return max(newest, key=lambda pair: pair[1].created_at, default=None)
