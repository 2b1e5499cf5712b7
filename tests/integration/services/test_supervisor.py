"""Processes that are supervised: started again, given up, stopped. The services here are a few lines of Python."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.errors import UnavailableError
from nbactl.services.supervisor import LogLine, Supervisor, SupervisorTimings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVER = """
import http.server, json, socket, sys
print(json.dumps({"time": "2025-01-15T12:00:00+00:00", "severity": "WARNING", "message": "hello"}), file=sys.stderr)
print("plain text", file=sys.stderr, flush=True)
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Ready, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[1]))
server.serve_forever()
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
TIMINGS = SupervisorTimings(request=2.0, restart=0.01, longest_restart=0.02, stop=0.5)


class World:
    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.programs: dict[str, str] = {}
        self.changes = 0
        self.supervisor = Supervisor(
            lambda name, fd: [sys.executable, "-c", self.programs[name], str(fd)],
            environ=os.environ,
            timings=TIMINGS,
            clock=SystemClock(),
            emit=self.lines.append,
            changed=self._changed,
        )

    def start(self, **programs: str) -> None:
        self.programs = programs
        self.supervisor.start(list(programs))

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, self.lines
            self.supervisor.poll()
            time.sleep(0.01)

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.supervisor.stop()


def test_a_service_that_is_killed_is_started_again_on_the_same_port(world: World) -> None:
    world.start(one=SERVER)
    world.until(lambda: not world.supervisor.unready())
    service = world.supervisor.services["one"]
    pid, port = service.process.pid, service.port
    service.process.kill()
    world.until(lambda: service.process.pid != pid)
    world.until(lambda: not world.supervisor.unready())
    assert (service.port, service.restarts, world.changes) == (port, 1, 2)
    assert [line.message for line in world.lines if "ended" in line.message] == [
        "ended (killed by SIGKILL); restarting in 0.01s"
    ]


def test_what_a_service_logs_is_passed_on_with_its_severity(world: World) -> None:
    world.start(one=SERVER)
    world.until(lambda: len(world.lines) >= 2)
    assert [(line.service, line.severity, line.message) for line in world.lines] == [
        ("one", "WARNING", "hello"),
        ("one", "INFO", "plain text"),
    ]


def test_a_service_that_does_not_start_at_all_is_given_up_with_what_it_said_last(world: World) -> None:
    world.start(one="import sys; sys.exit('the port is cursed')")
    with pytest.raises(UnavailableError, match="one does not start: exit code 1") as refused:
        world.until(lambda: False)
    assert refused.value.cause == "the port is cursed"
    assert not refused.value.retryable


def test_a_service_that_ignores_sigterm_is_killed_in_time(world: World) -> None:
    world.start(one=DEAF, two=SERVER)
    world.until(lambda: not world.supervisor.unready())
    began = time.monotonic()
    world.supervisor.stop()
    assert time.monotonic() - began < 5
    assert {service.process.returncode for service in world.supervisor.services.values()} == {-9, -15}
