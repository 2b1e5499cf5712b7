"""Processes that are supervised: started again, replaced, given up, stopped. The services here are a few lines."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from http.client import HTTPConnection
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.errors import UnavailableError
from nbactl.services.instance import LogLine, Program
from nbactl.services.supervisor import Supervisor
from tests.kit.local_up import TIMINGS, TINY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.services.supervisor import SupervisedService

LINES = """
import json, sys
print(json.dumps({"time": "2025-01-15T12:00:00+00:00", "severity": "WARNING", "message": "hello"}), file=sys.stderr)
print("plain text", file=sys.stderr, flush=True)
sys.stdin.read()
"""


def get(service: SupervisedService, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class World:
    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.changes = 0
        self.supervisor = Supervisor(
            timings=replace(TIMINGS, start=0.5, stop=2.0),
            clock=SystemClock(),
            emit=self.lines.append,
            changed=self._changed,
        )
        self.one = self.supervisor.open("one")

    def begin(
        self, revision: str, env: Mapping[str, str] | None = None, *, program: str | None = None, instances: int = 1
    ) -> None:
        words = ["-I", "-S", str(TINY)] if program is None else ["-c", program]
        command = lambda shared, own: [sys.executable, *words, str(shared), str(own)]  # noqa: E731
        self.supervisor.begin(
            Program("one", revision, command, {**os.environ, "ME": revision, **(env or {})}, instances)
        )

    def serve(self, revision: str, **env: str) -> None:
        self.begin(revision, env)
        self.until(lambda: self.one.is_next_ready)
        self.supervisor.switch(self.one)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, self.lines
            self.supervisor.look()
            time.sleep(0.005)

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.supervisor.stop()


def test_a_service_that_is_killed_is_started_again_on_the_same_port(world: World) -> None:
    world.serve("r1")
    [first] = world.one.serving
    first.process.kill()
    world.until(lambda: world.one.serving[0] is not first)
    world.until(lambda: not world.supervisor.unready())
    assert get(world.one, "/pid") == str(world.one.serving[0].process.pid)
    assert (world.one.restarts, world.changes) == (1, 3)
    assert [line.message for line in world.lines if "ended" in line.message] == [
        "ended (killed by SIGKILL); restarting in 0.01s"
    ]


def test_a_revision_gets_no_request_before_all_its_processes_are_ready(world: World) -> None:
    world.serve("r1")
    world.begin("r2", {"NEVER_READY": "1"}, instances=2)
    world.until(lambda: [each.reason for each in world.one.starting] == ["the feed is empty"] * 2)
    assert {get(world.one, "/env/ME") for _ in range(10)} == {"r1"}
    world.until(lambda: world.supervisor.failure(world.one))
    assert world.supervisor.failure(world.one) == "not ready after 0.5s: the feed is empty"


def test_a_revision_is_replaced_without_a_request_that_fails(world: World) -> None:
    world.serve("r1")
    answers: list[str] = []
    slow = Thread(target=lambda: answers.append(get(world.one, "/slow")))
    slow.start()
    pid = str(world.one.serving[0].process.pid)
    world.until(lambda: "slow" in [line.message for line in world.lines])
    world.begin("r2", instances=2)
    world.until(lambda: world.one.is_next_ready)
    world.supervisor.switch(world.one)
    seen = {get(world.one, "/env/ME") for _ in range(20)}
    slow.join()
    world.until(lambda: not world.one.stopping)
    assert seen <= {"r1", "r2"}
    assert {get(world.one, "/env/ME") for _ in range(10)} == {"r2"}
    assert answers == [pid]
    assert world.supervisor.services["one"].running.processes[0].revision == "r2"
    assert len(world.one.serving) == 2


def test_what_a_service_logs_is_passed_on_with_its_severity_and_revision(world: World) -> None:
    world.begin("r1", program=LINES)
    world.until(lambda: len(world.lines) >= 2)
    assert [(line.service, line.severity, line.message, line.revision) for line in world.lines] == [
        ("one", "WARNING", "hello", "r1"),
        ("one", "INFO", "plain text", "r1"),
    ]


def test_a_service_that_does_not_start_at_all_is_given_up_with_what_it_said_last(world: World) -> None:
    for _ in range(2):
        world.begin("r1", {"BROKEN": "1"})
        world.until(lambda: world.supervisor.failure(world.one))
        world.supervisor.retry(world.one)
        assert not world.supervisor.may_begin(world.one)
        world.until(lambda: world.supervisor.may_begin(world.one))
    world.begin("r1", {"BROKEN": "1"})
    world.until(lambda: world.supervisor.failure(world.one) == "exit code 1: the port is cursed")
    with pytest.raises(UnavailableError, match="one does not start: exit code 1") as refused:
        world.supervisor.retry(world.one)
    assert refused.value.cause == "the port is cursed"
    assert not refused.value.retryable


def test_a_service_that_keeps_dying_before_it_is_ready_again_is_given_up(world: World) -> None:
    world.serve("r1")
    [first] = world.one.serving
    first.program.environ["BROKEN"] = "1"  # type: ignore[index]
    first.process.kill()
    with pytest.raises(UnavailableError, match="one does not start: exit code 1"):
        world.until(lambda: False)


def test_the_reason_is_the_error_with_what_explains_it_and_without_secrets(world: World) -> None:
    said = "error: 1 problem in A\\n  A: 'x' is not valid\\n  token=hunter2hunter2"
    world.begin("r1", program=f'import sys; sys.exit("{said}")')
    world.until(lambda: world.supervisor.failure(world.one))
    assert world.supervisor.failure(world.one) == "exit code 1: error: 1 problem in A; A: 'x' is not valid; token=***"


def test_a_service_that_ignores_sigterm_is_killed_in_time(world: World) -> None:
    world.serve("r1", DEAF="1")
    [deaf] = world.one.serving
    began = time.monotonic()
    world.supervisor.stop()
    assert time.monotonic() - began < 5
    assert deaf.process.returncode == -9
    assert "does not stop in time and is killed" in [line.message for line in world.lines]
