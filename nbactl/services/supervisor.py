"""The services of `nbactl up` as processes: started, restarted when they die, replaced by another revision, stopped.

The processes of a service share a listening socket that belongs to this process. So its port stays the same, and
connections wait while no process serves it. The processes of another revision are let in when all of them are ready,
and those of the one before finish their requests then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.adapters.localrun.running import RunningProcess, RunningService
from nbactl.core.observe.masking import mask
from nbactl.errors import UnavailableError
from nbactl.frozen import frozen
from nbactl.services.instance import Instance, LogLine, Program
from nbactl.services.server import LOOPBACK, open_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from nbactl.core._support.clock import Clock

_MOST_FAILED_STARTS: Final = 3
"""A service that ends so often before it was ready does not start at all."""


@frozen
class SupervisorTimings:
    """In seconds: a question for readiness, the first and longest pause before a restart, a start, and a stop."""

    request: float
    restart: float
    longest_restart: float
    start: float
    stop: float


@dataclass
class SupervisedService:
    """A service and its processes. `serving` take its requests; `starting` are to replace them."""

    name: str
    listening: socket.socket
    port: int
    serving: list[Instance] = field(default_factory=list)
    starting: list[Instance] = field(default_factory=list)
    stopping: list[Instance] = field(default_factory=list)
    restarts: int = 0
    failed_starts: int = 0
    restart_at: float | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def revision(self) -> str | None:
        """The revision that serves."""
        return self.serving[0].program.revision if self.serving else None

    @property
    def next_revision(self) -> str | None:
        """The revision that is starting."""
        return self.starting[0].program.revision if self.starting else None

    @property
    def running(self) -> RunningService:
        """What runs, for others to read."""
        processes = [
            RunningProcess(each.program.revision, each.process.pid, each.port, each.started_at)
            for each in (*self.serving, *self.starting)
        ]
        return RunningService(self.port, processes)

    @property
    def is_ready(self) -> bool:
        """Whether processes serve it, and all of them are ready."""
        return bool(self.serving) and all(each.ready and each.code is None for each in self.serving)

    @property
    def is_next_ready(self) -> bool:
        """Whether all processes of the next revision are ready."""
        return bool(self.starting) and all(each.ready and each.code is None for each in self.starting)


class Supervisor:
    """Keeps the processes of services. `emit` gets the lines of the log, from several threads.

    `changed` is called after a process was started or let in.
    """

    def __init__(
        self,
        *,
        timings: SupervisorTimings,
        clock: Clock,
        emit: Callable[[LogLine], None],
        changed: Callable[[], object],
    ) -> None:
        self._timings = timings
        self._clock = clock
        self._emit = emit
        self._changed = changed
        self.services: dict[str, SupervisedService] = {}

    def open(self, name: str) -> SupervisedService:
        """Have a service without processes; connections to it wait."""
        listening = open_socket(LOOPBACK, 0)
        made = self.services[name] = SupervisedService(name, listening, listening.getsockname()[1])
        return made

    def begin(self, program: Program) -> None:
        """Start the processes of a revision beside those that serve."""
        service = self.services[program.service]
        service.starting = [self._start(program, service) for _ in range(program.instances)]
        self._changed()

    def look(self) -> None:
        """Restart what has died, after a pause that doubles while it keeps dying; see what has become ready."""
        now = self._clock.monotonic()
        for service in self.services.values():
            for instance in (*service.serving, *service.starting):
                instance.look()
            service.stopping = [instance for instance in service.stopping if not instance.reap()]
            if service.is_ready:
                service.failed_starts = 0
            self._mend(service, now)

    def may_begin(self, service: SupervisedService) -> bool:
        """Say whether processes may be started now: after a failed start without another revision there is a pause."""
        return bool(service.serving) or service.restart_at is None or self._clock.monotonic() >= service.restart_at

    def failure(self, service: SupervisedService) -> str | None:
        """Return why the next revision does not start; None if it does, or may still do so."""
        for instance in service.starting:
            if instance.code is not None:
                instance.close()
                said = f": {mask(instance.last_line)}" if instance.last_line else ""
                return f"{instance.how_it_ended}{said}"
            if not instance.ready and self._clock.monotonic() - instance.started > self._timings.start:
                return f"not ready after {self._timings.start:g}s: {instance.reason}"
        return None

    def switch(self, service: SupervisedService) -> None:
        """Let the next revision in, and have the one before finish its requests."""
        before, service.serving, service.starting = service.serving, service.starting, []
        for instance in service.serving:
            instance.let_in()
        self._stop(service, before)
        service.restart_at, service.failed_starts = None, 0
        self._changed()

    def abandon(self, service: SupervisedService) -> None:
        """Stop the processes of the next revision."""
        before, service.starting = service.starting, []
        self._stop(service, before)
        self._changed()

    def retry(self, service: SupervisedService) -> None:
        """Start the next revision again later: there is no other.

        Raises UnavailableError if it ended too often, or is not ready in time.
        """
        ended = next((instance for instance in service.starting if instance.code is not None), None)
        if ended is None:
            reasons = self.unready()
            raise UnavailableError(
                f"{len(reasons)} of {len(self.services)} services are not ready",
                cause="; ".join(reasons),
                next_step="Read the log above; up.ready in timeouts.yaml says how long to wait.",
                retryable=False,
            )
        self._count_failed_start(service, ended)
        self.abandon(service)
        pause = self._pause(service)
        service.restart_at = self._clock.monotonic() + pause
        service.restarts += 1
        self.say(service.name, "WARNING", f"ended ({ended.how_it_ended}); restarting in {pause:g}s")

    def unready(self) -> list[str]:
        """Return why services are not ready, `NAME: reason`; empty when all are."""
        reasons = []
        for service in self.services.values():
            if not service.is_ready:
                waited_for = service.serving or service.starting
                reason = next((each.reason for each in waited_for if not each.ready), "it has ended")
                reasons.append(f"{service.name}: {reason}")
        return reasons

    def stop(self) -> None:
        """Stop all: SIGTERM, and SIGKILL for what is not over in time."""
        for service in self.services.values():
            self._stop(service, [*service.serving, *service.starting])
            service.serving, service.starting = [], []
            service.listening.close()
        while any(service.stopping for service in self.services.values()):
            for service in self.services.values():
                service.stopping = [instance for instance in service.stopping if not instance.reap()]
            self._clock.sleep(self._timings.restart / 10)

    def say(self, service: str, severity: str, message: str) -> None:
        """Add a line to the log."""
        self._emit(LogLine(service, severity, message, {"time": self._clock.now().isoformat()}))

    def _start(self, program: Program, service: SupervisedService) -> Instance:
        request = self._timings.request
        return Instance(program, service.listening, clock=self._clock, request=request, emit=self._emit)

    def _stop(self, service: SupervisedService, instances: list[Instance]) -> None:
        for instance in instances:
            instance.stop(self._timings.stop)
        service.stopping += instances

    def _mend(self, service: SupervisedService, now: float) -> None:
        """Replace dead processes of the revision that serves by new ones, which take requests at once."""
        dead = [instance for instance in service.serving if instance.code is not None]
        if not dead:
            return
        if service.restart_at is None:
            if any(now - instance.started > self._timings.longest_restart for instance in dead if instance.ready):
                service.restarts = 0
            pause = self._pause(service)
            service.restart_at = now + pause
            service.restarts += len(dead)
            for instance in dead:
                if not instance.ready:
                    self._count_failed_start(service, instance)
                self.say(service.name, "WARNING", f"ended ({instance.how_it_ended}); restarting in {pause:g}s")
        elif now >= service.restart_at:
            service.restart_at = None
            for instance in dead:
                instance.close()
                again = self._start(instance.program, service)
                again.let_in()
                service.serving[service.serving.index(instance)] = again
                self.say(service.name, "INFO", f"restarted as process {again.process.pid}")
            self._changed()

    def _count_failed_start(self, service: SupervisedService, instance: Instance) -> None:
        service.failed_starts += 1
        if service.failed_starts >= _MOST_FAILED_STARTS:
            instance.close()
            raise UnavailableError(
                f"{service.name} does not start: {instance.how_it_ended}",
                cause=mask(instance.last_line) or None,
                next_step=f"Start it alone to see why: nbactl serve {service.name}",
                retryable=False,
            )

    def _pause(self, service: SupervisedService) -> float:
        doubled: float = self._timings.restart * 2 ** min(service.restarts, 16)
        return min(self._timings.longest_restart, doubled)
