"""The change engine of services: saved first, carried out service by service, verified, and undone by id."""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from dataclasses import replace
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.deployments.plan import EnvOutcome, EnvResult, EnvWork, plan_for
from nbactl.deployments.records import EnvChange, ServiceChange
from nbactl.errors import DataError, NbactlError, NotFoundError, PreconditionError, UnavailableError, UsageError
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.deployments.log import ChangeLog
    from nbactl.deployments.plan import EnvPlan
    from nbactl.ports.services import DeployedServices


def no_report(event: EnvChange | EnvOutcome) -> None:
    """Report nothing."""


class EnvChanges:
    """Changes the variables of the services of one `place` (project and region), and undoes such changes."""

    def __init__(self, services: DeployedServices, *, clock: Clock, ids: IdGenerator, place: str) -> None:
        self._services = services
        self._clock = clock
        self._ids = ids
        self._place = place

    def carry_out(
        self,
        log: ChangeLog,
        work: EnvWork,
        *,
        by: str,
        reason: str | None,
        undoes: str | None = None,
        at_once: int = 1,
        report: Callable[[EnvChange | EnvOutcome], None] = no_report,
    ) -> EnvResult:
        """Save the change in `log`, then change service by service; a failure of one does not stop the others.

        `undoes` is the id of a change that this one undoes, `at_once` how many services are changed in parallel.
        `report` gets the change when it is saved, then each outcome. Raises only if the change cannot be saved:
        nothing was sent then (invariants 13, 19).
        """
        if not work.plans:
            return EnvResult(work, None, tuple(work.failed), tuple(work.warnings))
        services = tuple(ServiceChange(plan.service, plan.before, plan.after) for plan in work.plans)
        change = EnvChange(self._ids.new("env"), self._clock.now(), by, reason, self._place, services, undoes)
        log.create(change)
        reach("service_env.saved")
        report(change)
        outcomes, warnings = list(work.failed), list(work.warnings)
        for outcome in self._apply_all(work.plans, at_once):
            outcomes.append(outcome)
            report(outcome)
        try:
            self._finish(log, change, outcomes)
        except UnavailableError as error:
            warnings.append(
                f"the result could not be saved with {change.id}, which can be undone nevertheless: {error}"
            )
        return EnvResult(work, change, tuple(outcomes), tuple(warnings))

    def find(self, logs: Sequence[ChangeLog], wanted: str) -> tuple[ChangeLog, EnvChange]:
        """Return a change by its id, or by `last` the newest that was not undone, and the log that has it.

        The logs are asked in their order. Raises NotFoundError, and UsageError for a change of another place.
        """
        found = _last(logs) if wanted == "last" else _by_id(logs, wanted)
        if found is None:
            raise NotFoundError(
                "there is no change to undo" if wanted == "last" else f"there is no change {wanted}",
                next_step="Compare what is deployed with the store: nbactl flags drift",
            )
        if found[1].place != self._place:
            place, _, region = found[1].place.partition("/")
            raise UsageError(
                f"the change {found[1].id} was made in another place",
                cause=f"It changed services of {found[1].place}, and this command works on {self._place}.",
                next_step=f"Give --project {place} --region {region}.",
            )
        return found

    def plan_undo(self, change: EnvChange) -> EnvWork:
        """Return what brings the old values back; a service where that is not possible is in `failed`.

        A service that was never reached still has them and needs nothing. A value that is neither the old nor the new
        one was set by somebody else, and is not overwritten.
        """
        work = EnvWork()
        for service in change.services:
            try:
                plan = self._undo_service(service)
            except NbactlError as error:
                work.failed.append(EnvOutcome(service.service, error=error))
            else:
                if plan is not None:
                    work.plans.append(plan)
        return work

    def mark_undone(self, log: ChangeLog, change: EnvChange, by: str) -> None:
        """Note the id of the change that undid this one."""
        log.replace(replace(change, undone_by=by))

    def unfinished(self, log: ChangeLog) -> list[EnvChange]:
        """Return the changes that began, never ended, and were not undone: their process was killed, or still runs."""
        return [change for change in log.newest() if change.finished_at is None and change.undone_by is None]

    def close(self, log: ChangeLog, changes: Iterable[EnvChange]) -> None:
        """Mark unfinished changes as seen to, so that they are not reported again. They can still be undone."""
        for change in changes:
            log.replace(replace(change, finished_at=self._clock.now()))

    def _apply_all(self, plans: Sequence[EnvPlan], at_once: int) -> Iterator[EnvOutcome]:
        """Carry out plans and yield each outcome as it comes."""
        if at_once == 1:
            yield from map(self._apply, plans)
            return
        waiting, ended = deque(plans), Queue[EnvOutcome | BaseException]()

        def work() -> None:
            try:
                while True:
                    ended.put(self._apply(waiting.popleft()))
            except IndexError:
                return
            except BaseException as error:  # noqa: BLE001 - raised again where the outcomes are taken
                ended.put(error)

        # Daemons: after Ctrl-C nobody waits for what Cloud Run finishes by itself.
        for number in range(min(at_once, len(plans))):
            Thread(target=copy_context().run, args=(work,), name=f"nbactl-service-{number}", daemon=True).start()
        for _ in plans:
            outcome = ended.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome

    def _apply(self, plan: EnvPlan) -> EnvOutcome:
        try:
            deployed = self._services.change(plan.service, ServiceEdit(plan.after), expected_version=plan.version)
        except NbactlError as error:
            return EnvOutcome(plan.service, error=error)
        finally:
            reach("service_env.applied")
        return EnvOutcome(plan.service, deployed)

    def _finish(self, log: ChangeLog, change: EnvChange, outcomes: Sequence[EnvOutcome]) -> None:
        codes = {outcome.service: "done" if outcome.error is None else outcome.error.code for outcome in outcomes}
        services = tuple(
            replace(service, outcome=codes.get(service.service, service.outcome)) for service in change.services
        )
        log.replace(replace(change, services=services, finished_at=self._clock.now()))

    def _undo_service(self, change: ServiceChange) -> EnvPlan | None:
        service = self._services.get(change.service)
        if service.unreadable:
            raise DataError(service.unreadable, next_step="Deploy it with a port at exactly one container.")
        for name, new in change.after.items():
            if name in service.secrets or service.env.get(name) not in (new, change.before[name]):
                raise PreconditionError(
                    f"{name} of {change.service} was changed since",
                    cause="It has neither the value from before the change nor the one from after it.",
                    next_step="Decide on its value and set it by hand; to compare: nbactl flags drift",
                    details={"service": change.service, "variable": name},
                )
        return plan_for(service, change.before)


def _by_id(logs: Sequence[ChangeLog], change_id: str) -> tuple[ChangeLog, EnvChange] | None:
    for log in logs:
        if (change := log.get(change_id)) is not None:
            return log, change
    return None


def _last(logs: Sequence[ChangeLog]) -> tuple[ChangeLog, EnvChange] | None:
    """Return the newest change of all logs that was neither undone nor is itself an undo."""
    newest = []
    for log in logs:
        for change in log.newest():
            if change.undone_by is None and change.undoes is None:
                newest.append((log, change))
                break
    return max(newest, key=lambda pair: pair[1].id, default=None)
