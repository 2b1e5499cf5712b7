"""Brings the processes of `nbactl up` to what the documents of its services want, and writes what is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.ports.service_rules import processes_of
from nbactl.services.instance import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.adapters.localrun.deployments import LocalDeployments, WantedService
    from nbactl.adapters.localrun.records import RevisionRecord
    from nbactl.services.supervisor import SupervisedService, Supervisor


class Deployer:
    """Looks at documents and processes, and takes the next step of each service; `step` never waits for a process.

    `command` gives the words of a process for its revision and the two sockets; `environ` is what all revisions add
    their variables to. A kill between two steps loses nothing: the processes end with this one, and the next one starts
    from the documents.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        deployments: LocalDeployments,
        *,
        command: Callable[[RevisionRecord, int, int], Sequence[str]],
        environ: Mapping[str, str],
    ) -> None:
        self._supervisor = supervisor
        self._deployments = deployments
        self._command = command
        self._environ = environ
        self._unsettled: set[str] = set()

    @property
    def is_settled(self) -> bool:
        """Whether every service was as wanted at the last step."""
        return not self._unsettled

    def step(self) -> None:
        """Take the next step of each service.

        Raises UnavailableError for a service of which no revision starts, and where the store does not answer.
        """
        self._supervisor.look()
        services = self._supervisor.services
        for name, wanted in self._deployments.wanted(list(services)).items():
            self._unsettled.add(name)
            if self._step(services[name], wanted):
                self._unsettled.discard(name)

    def _step(self, service: SupervisedService, wanted: WantedService) -> bool:
        """Take a step; return whether the service is as wanted."""
        goal = wanted.revision if service.revision != wanted.revision else wanted.unproven
        if service.next_revision not in (None, goal):
            self._supervisor.abandon(service)
        if goal is None:
            if wanted.service.observed < wanted.service.generation:
                self._deployments.note_in_force(wanted)
                reach("localrun.recorded")
            return True
        if service.next_revision is None:
            if self._supervisor.may_begin(service):
                self._begin(service, wanted, goal)
        elif service.is_next_ready:
            self._deployments.note_started(service.name, goal)
            reach("localrun.started")
            self._finish(service, wanted, goal)
        elif (why := self._supervisor.failure(service)) is not None:
            self._fail(service, wanted, goal, why)
        return False

    def _begin(self, service: SupervisedService, wanted: WantedService, revision: str) -> None:
        newest = wanted.newest
        found = newest if newest.name == revision else self._deployments.revision(service.name, revision)
        serves = revision == wanted.revision
        program = Program(
            service.name,
            revision,
            lambda shared, own: self._command(found, shared, own),
            {**self._environ, **found.env},
            processes_of(found.settings) if serves else 1,
        )
        if service.serving:
            self._supervisor.say(service.name, "INFO", f"starting {revision}")
        self._supervisor.begin(program)
        reach("localrun.begun")

    def _finish(self, service: SupervisedService, wanted: WantedService, revision: str) -> None:
        """Let a revision that is ready in; one that gets no requests has only shown that it starts."""
        if revision != wanted.revision:
            self._supervisor.abandon(service)
            self._supervisor.say(service.name, "INFO", f"{revision} is ready, and gets no requests")
            return
        if service.revision is not None:
            self._supervisor.say(service.name, "INFO", f"{revision} serves instead of {service.revision}")
        self._supervisor.switch(service)
        reach("localrun.switched")

    def _fail(self, service: SupervisedService, wanted: WantedService, revision: str, why: str) -> None:
        if not service.serving and not wanted.has_other_than(revision):
            self._supervisor.retry(service)
            return
        kept = service.revision or "the one before"
        self._deployments.note_failed(wanted, revision, why)
        reach("localrun.failed")
        self._supervisor.abandon(service)
        self._supervisor.say(service.name, "ERROR", f"{revision} does not start, {kept} serves: {why}")
