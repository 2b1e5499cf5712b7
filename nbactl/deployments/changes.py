"""Changes of variables carried out service by service: saved first, verified by reading back, taken back by id."""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from dataclasses import dataclass, replace
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.deployments.records import EnvChange, ServiceChange
from nbactl.errors import DataError, NbactlError, NotFoundError, PreconditionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.deployments.log import ChangeLog
    from nbactl.deployments.records import Values
    from nbactl.ports.services import DeployedService, DeployedServices


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of one service, as long as it has the version that was seen."""

    service: str
    version: str
    before: Values
    after: Values


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one service: as read back, or why it failed."""

    service: str
    deployed: DeployedService | None = None
    error: NbactlError | None = None


def plan_for(service: DeployedService, wanted: Mapping[str, str | None]) -> Plan | None:
    """Return the plan that brings variables to what is wanted, None if they are there."""
    after = {name: value for name, value in wanted.items() if service.env.get(name) != value}
    if not after:
        return None
    return Plan(service.name, service.version, {name: service.env.get(name) for name in after}, after)


class EnvChanges:
    """Makes changes of the services of one `place` (project and region), and takes them back."""

    def __init__(self, services: DeployedServices, *, clock: Clock, ids: IdGenerator, place: str) -> None:
        self._services = services
        self._clock = clock
        self._ids = ids
        self._place = place

    def save(
        self, log: ChangeLog, plans: Sequence[Plan], *, by: str, reason: str | None, undoes: str | None = None
    ) -> EnvChange:
        """Keep what is about to be changed, with what is there before; nothing is sent yet (invariants 13, 19)."""
        change = EnvChange(
            self._ids.new("env"),
            self._clock.now(),
            by,
            reason,
            self._place,
            tuple(ServiceChange(plan.service, plan.before, plan.after) for plan in plans),
            undoes,
        )
        log.create(change)
        reach("service_env.saved")
        return change

    def apply(self, plan: Plan) -> Outcome:
        """Carry out the plan of one service. A failure is an outcome, so that it does not keep others from theirs."""
        try:
            deployed = self._services.merge_env(plan.service, plan.after, expected_version=plan.version)
        except NbactlError as error:
            return Outcome(plan.service, error=error)
        finally:
            reach("service_env.applied")
        return Outcome(plan.service, deployed)

    def apply_all(self, plans: Sequence[Plan], *, at_once: int = 1) -> Iterator[Outcome]:
        """Carry out plans and yield each outcome as it comes; `at_once` services at the same time."""
        if at_once == 1:
            yield from map(self.apply, plans)
            return
        waiting, ended = deque(plans), Queue[Outcome | BaseException]()

        def work() -> None:
            try:
                while True:
                    ended.put(self.apply(waiting.popleft()))
            except IndexError:
                return
            except BaseException as error:  # noqa: BLE001 - raised again where the outcomes are taken
                ended.put(error)

        # Daemons: after Ctrl-C nobody waits for what Cloud Run goes on with anyway.
        for number in range(min(at_once, len(plans))):
            Thread(target=copy_context().run, args=(work,), name=f"nbactl-service-{number}", daemon=True).start()
        for _ in plans:
            outcome = ended.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome

    def finish(self, log: ChangeLog, change: EnvChange, outcomes: Sequence[Outcome]) -> None:
        """Note how it ended."""
        codes = {each.service: "done" if each.error is None else each.error.code for each in outcomes}
        services = tuple(replace(each, outcome=codes.get(each.service, each.outcome)) for each in change.services)
        log.replace(replace(change, services=services, finished_at=self._clock.now()))

    def find(self, logs: Sequence[ChangeLog], wanted: str) -> tuple[ChangeLog, EnvChange]:
        """Return a change by its id, or by `last` the newest that was not taken back, and where it is kept.

        The logs are asked in their order. Raises NotFoundError, and UsageError for a change of another place.
        """
        found = _last(logs) if wanted == "last" else _by_id(logs, wanted)
        if found is None:
            told = "there is no change to take back" if wanted == "last" else f"there is no change {wanted}"
            raise NotFoundError(told, next_step="Compare what is deployed with the store: nbactl flags drift")
        if found[1].place != self._place:
            place, _, region = found[1].place.partition("/")
            raise UsageError(
                f"the change {found[1].id} was made in another place",
                cause=f"It changed services of {found[1].place}, and this call is about {self._place}.",
                next_step=f"Give --project {place} --region {region}.",
            )
        return found

    def unfinished(self, log: ChangeLog) -> list[EnvChange]:
        """Return the changes that were begun and never ended, and not taken back."""
        return [each for each in log.newest() if each.finished_at is None and each.undone_by is None]

    def close(self, log: ChangeLog, changes: Iterable[EnvChange]) -> None:
        """Note that unfinished changes were seen to, so that they are not told of again. They can still be undone."""
        for change in changes:
            log.replace(replace(change, finished_at=self._clock.now()))

    def way_back(self, change: EnvChange) -> Iterator[Plan | Outcome]:
        """Yield the plans that bring the old values back, and an outcome for each service where that cannot be done.

        A service that was never reached has them, and needs none. A value that is neither the old nor the new one is
        somebody else's, and is not overwritten.
        """
        for each in change.services:
            try:
                plan = self._back(each)
            except NbactlError as error:
                yield Outcome(each.service, error=error)
            else:
                if plan is not None:
                    yield plan

    def mark_undone(self, log: ChangeLog, change: EnvChange, by: str) -> None:
        """Note that a change was taken back by another one."""
        log.replace(replace(change, undone_by=by))

    def _back(self, change: ServiceChange) -> Plan | None:
        service = self._services.get(change.service)
        if service.unreadable:
            raise DataError(service.unreadable, next_step="Deploy it with a port at exactly one container.")
        for name, new in change.after.items():
            if name in service.secrets or service.env.get(name) not in (new, change.before[name]):
                raise PreconditionError(
                    f"{name} of {change.service} was changed since",
                    cause="It has neither the value from before the change nor the one from after it.",
                    next_step="Decide what it should be, and set it by hand; what differs: nbactl flags drift",
                    details={"service": change.service, "variable": name},
                )
        return plan_for(service, change.before)


def _by_id(logs: Sequence[ChangeLog], change_id: str) -> tuple[ChangeLog, EnvChange] | None:
    for log in logs:
        if (change := log.get(change_id)) is not None:
            return log, change
    return None


def _last(logs: Sequence[ChangeLog]) -> tuple[ChangeLog, EnvChange] | None:
    firsts = [
        (log, each)
        for log in logs
        for each in [next((each for each in log.newest() if each.undone_by is None and each.undoes is None), None)]
        if each is not None
    ]
    return max(firsts, key=lambda pair: pair[1].id, default=None)
