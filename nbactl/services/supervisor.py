"""The services of `nbactl up` as processes: started, restarted when they die, stopped together.

Each service gets its listening socket from here, so that its port stays the same and connections wait while it is
started again. Its standard input is a pipe whose other end only this process has: when this process is gone, however it
ended, the pipe ends and the service stops.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final

from nbactl.errors import UnavailableError
from nbactl.frozen import frozen
from nbactl.services.server import LOOPBACK, open_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.core._support.clock import Clock

_READY: Final = 200
_MOST_FAILED_STARTS: Final = 3
"""A service that ends so often before it was ready does not start at all."""


@frozen
class LogLine:
    """A line of the combined log. `entry` has what the service logged beside its message, and `time` if it said it."""

    service: str
    severity: str
    message: str
    entry: Mapping[str, Any] = field(default_factory=dict)


@frozen
class SupervisorTimings:
    """In seconds: a request for readiness, the first and longest pause before a restart, and the stop of a service."""

    request: float
    restart: float
    longest_restart: float
    stop: float


@dataclass
class SupervisedService:
    """A service and its process."""

    name: str
    listening: socket.socket
    process: subprocess.Popen[bytes]
    started: float
    """Of the monotonic clock."""
    port: int
    restarts: int = 0
    failed_starts: int = 0
    ready: bool = False
    restart_at: float | None = None
    last_line: str = ""
    readers: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{LOOPBACK}:{self.port}"


class Supervisor:
    """Starts a process for each service. `command` gives its command line for a name and an inherited socket.

    `emit` gets the lines of the log, from several threads; `changed` is called after a process was started.
    """

    def __init__(
        self,
        command: Callable[[str, int], Sequence[str]],
        *,
        environ: Mapping[str, str],
        timings: SupervisorTimings,
        clock: Clock,
        emit: Callable[[LogLine], None],
        changed: Callable[[], object],
    ) -> None:
        self._command = command
        self._environ = dict(environ)
        self._timings = timings
        self._clock = clock
        self._emit = emit
        self._changed = changed
        self.services: dict[str, SupervisedService] = {}

    def start(self, names: Sequence[str]) -> None:
        """Start the services."""
        for name in names:
            listening = open_socket(LOOPBACK, 0)
            process, now = self._spawn(name, listening), self._clock.monotonic()
            service = SupervisedService(name, listening, process, now, listening.getsockname()[1])
            self.services[name] = service
            self._read(service)
        self._changed()

    def poll(self) -> None:
        """Restart what has died, after a pause that doubles while it keeps dying.

        Raises UnavailableError for a service that does not start at all.
        """
        now = self._clock.monotonic()
        for service in self.services.values():
            if service.restart_at is not None:
                if now >= service.restart_at:
                    self._restart(service)
            elif (code := service.process.poll()) is not None:
                self._note_death(service, code, now)

    def unready(self) -> list[str]:
        """Return why services are not ready, `NAME: reason`; empty when all are."""
        return [f"{name}: {reason}" for name, service in self.services.items() if (reason := self._unready(service))]

    def stop(self) -> None:
        """Stop all: SIGTERM, and SIGKILL for what is not over in time."""
        for service in self.services.values():
            with contextlib.suppress(ProcessLookupError):
                service.process.send_signal(signal.SIGTERM)
        end = self._clock.monotonic() + self._timings.stop
        for service in self.services.values():
            try:
                service.process.wait(max(0.0, end - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(service.name, "WARNING", "does not stop in time and is killed")
                service.process.kill()
                service.process.wait()
            for reader in service.readers:
                reader.join(self._timings.request)
            _close_input(service.process)
            service.listening.close()

    def _spawn(self, name: str, listening: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own command line
            self._command(name, listening.fileno()),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._environ,
            pass_fds=(listening.fileno(),),
            start_new_session=True,  # Ctrl-C reaches this process alone, which stops the others in order
        )

    def _note_death(self, service: SupervisedService, code: int, now: float) -> None:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if service.ready and now - service.started > self._timings.longest_restart:
            service.restarts = 0
        if not service.ready:
            service.failed_starts += 1
            if service.failed_starts >= _MOST_FAILED_STARTS:
                for reader in service.readers:
                    reader.join(self._timings.request)
                raise UnavailableError(
                    f"{service.name} does not start: {how}",
                    cause=service.last_line or None,
                    next_step=f"Start it alone to see why: nbactl serve {service.name}",
                    retryable=False,
                )
        pause = min(self._timings.longest_restart, self._timings.restart * 2 ** min(service.restarts, 16))
        service.restart_at = now + pause
        service.restarts += 1
        service.ready = False
        self._say(service.name, "WARNING", f"ended ({how}); restarting in {pause:g}s")

    def _restart(self, service: SupervisedService) -> None:
        _close_input(service.process)
        service.process = self._spawn(service.name, service.listening)
        service.started, service.restart_at = self._clock.monotonic(), None
        self._read(service)
        self._changed()
        self._say(service.name, "INFO", f"restarted as process {service.process.pid}")

    def _unready(self, service: SupervisedService) -> str | None:
        if service.process.poll() is not None:
            return "it has ended"
        connection = http.client.HTTPConnection(LOOPBACK, service.port, timeout=self._timings.request)
        try:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({type(error).__name__})"
        finally:
            connection.close()
        service.ready = answer.status == _READY
        if service.ready:
            service.failed_starts = 0
            return None
        with contextlib.suppress(ValueError, TypeError):
            return "; ".join(json.loads(body).get("reasons", ())) or "not ready"
        return f"it answers {answer.status}"

    def _read(self, service: SupervisedService) -> None:
        stream = service.process.stderr
        assert stream is not None  # noqa: S101 - it is a pipe

        def read() -> None:
            with stream:
                for raw in stream:
                    self._emit(_parse(service, raw))

        thread = threading.Thread(target=read, name=f"nbactl-log-{service.name}", daemon=True)
        service.readers = [thread]
        thread.start()

    def _say(self, service: str, severity: str, message: str) -> None:
        self._emit(LogLine(service, severity, message, {"time": self._clock.now().isoformat()}))


def _parse(service: SupervisedService, raw: bytes) -> LogLine:
    """Return a line that a service wrote; what is not JSON is shown as it is."""
    text = raw.decode(errors="replace").rstrip("\n")
    try:
        entry = json.loads(text)
        datetime.fromisoformat(entry["time"])
        severity, message = str(entry["severity"]), str(entry["message"])
    except (ValueError, TypeError, KeyError):
        service.last_line = text or service.last_line
        return LogLine(service.name, "INFO", text)
    service.last_line = message
    return LogLine(service.name, severity, message, entry)


def _close_input(process: subprocess.Popen[bytes]) -> None:
    pipe: IO[bytes] | None = process.stdin
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def write_state(path: os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Replace a file by JSON, so that a reader sees the old or the new one."""
    name = os.fspath(path)
    beside = f"{name}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path of any kind
        json.dump(state, file)
    os.replace(beside, name)  # noqa: PTH105 - as above
