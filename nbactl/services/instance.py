"""A process of a service: it answers on a socket of its own first, and takes the service's requests once it is let in.

Its standard input is a pipe whose other end only this process has. A line in it lets the process in; when this process
is gone, however it ended, the pipe ends and the process stops.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import threading
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.frozen import frozen
from nbactl.services.server import LOOPBACK, open_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.core._support.clock import Clock

OWN: Final = "up"
"""The name of the process of `up` in the combined log."""
_READY: Final = 200
_LONGEST_REASON: Final = 400
_NOT_ASKED: Final = "it has not answered yet"


@frozen
class LogLine:
    """A line of the combined log. `entry` has what the service logged beside its message, and `time` if it said it.

    `revision` is the one of the service that wrote it, empty for `up` itself.
    """

    service: str
    severity: str
    message: str
    entry: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""


@frozen
class Program:
    """What a process of a revision is started with; `command` gives its words for the two sockets that it inherits."""

    service: str
    revision: str
    command: Callable[[int, int], Sequence[str]]
    environ: Mapping[str, str]
    instances: int = 1


class Instance:
    """Starts a process when it is made. `request` is the limit of a question whether it is ready, in seconds."""

    def __init__(
        self,
        program: Program,
        listening: socket.socket,
        *,
        clock: Clock,
        request: float,
        emit: Callable[[LogLine], None],
    ) -> None:
        self.program = program
        self.started = clock.monotonic()
        self.started_at = clock.now()
        self.ready = False
        self.last_line = ""
        self.stop_by: float | None = None
        """When it is killed, by the monotonic clock; None unless it was asked to stop."""
        self.reason = _NOT_ASKED
        """Why it is not ready."""
        self._clock = clock
        self._request = request
        self._emit = emit
        self._asked: http.client.HTTPConnection | None = None
        self._give_up = 0.0
        with open_socket(LOOPBACK, 0) as own:
            self.port: int = own.getsockname()[1]
            descriptors = (listening.fileno(), own.fileno())
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                program.command(*descriptors),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(program.environ),
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C reaches this process alone, which stops the others in order
            )
        self._reader = threading.Thread(target=self._read, name=f"nbactl-log-{program.service}", daemon=True)
        self._reader.start()

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.process.poll()

    @property
    def how_it_ended(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def let_in(self) -> None:
        """Have it take the service's requests."""
        pipe = self.process.stdin
        with contextlib.suppress(OSError):  # it has just died
            os.write(pipe.fileno() if pipe else -1, b"\n")

    def look(self) -> None:
        """Ask whether it is ready without waiting; a question stays open until it is answered or takes too long."""
        if self.ready or self.code is not None:
            return
        try:
            if self._asked is None:
                self._asked = http.client.HTTPConnection(LOOPBACK, self.port, timeout=self._request)
                self._asked.request("GET", "/ready")
                self._give_up = self._clock.monotonic() + self._request
            if select.select([self._asked.sock], [], [], 0)[0]:
                answer = self._asked.getresponse()
                self._note(answer.status, answer.read())
            elif self._clock.monotonic() < self._give_up:
                return
        except (OSError, http.client.HTTPException) as error:
            self.reason = f"no answer ({type(error).__name__})"
        if self._asked is not None:
            self._asked.close()
        self._asked = None

    def stop(self, within: float) -> None:
        """Ask it to stop; `reap` kills it if it has not after `within` seconds."""
        self.stop_by = self._clock.monotonic() + within
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def reap(self) -> bool:
        """Return whether it has ended, and kill it if it was asked to stop too long ago."""
        if self.code is None and self.stop_by is not None and self._clock.monotonic() >= self.stop_by:
            self._say("WARNING", "does not stop in time and is killed")
            self.process.kill()
            self.process.wait()
        if self.code is None:
            return False
        self.close()
        return True

    def close(self) -> None:
        """Release what belongs to a process that has ended."""
        self._reader.join(self._request)
        if self._asked is not None:
            self._asked.close()
            self._asked = None
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def _note(self, status: int, body: bytes) -> None:
        self.ready = status == _READY
        self.reason = f"it answers {status}"
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            self.reason = "; ".join(json.loads(body).get("reasons", ())) or self.reason

    def _read(self) -> None:
        stream = self.process.stderr
        assert stream is not None  # noqa: S101 - it is a pipe
        with stream:
            for raw in stream:
                self._emit(self._parse(raw))

    def _parse(self, raw: bytes) -> LogLine:
        """Return a line that it wrote; what is not JSON is shown as it is."""
        service, revision = self.program.service, self.program.revision
        text = raw.decode(errors="replace").rstrip("\n")
        try:
            entry = json.loads(text)
            datetime.fromisoformat(entry["time"])
            severity, message = str(entry["severity"]), str(entry["message"])
        except (ValueError, TypeError, KeyError):
            self._remember(text)
            return LogLine(service, "INFO", text, revision=revision)
        self.last_line = message
        return LogLine(service, severity, message, entry, revision)

    def _remember(self, text: str) -> None:
        """Keep the last line, with the error that an indented one explains."""
        explains = text[:1].isspace() and self.last_line.startswith("error:")
        if explains and len(self.last_line) < _LONGEST_REASON:
            self.last_line += f"; {text.strip()}"
        elif text.strip() and not explains:
            self.last_line = text

    def _say(self, severity: str, message: str) -> None:
        entry = {"time": self._clock.now().isoformat()}
        self._emit(LogLine(self.program.service, severity, message, entry, self.program.revision))
