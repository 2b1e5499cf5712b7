"""Jobs of this machine are sent once each time they are due, whatever is started again or killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localjobs.jobs import LocalJobs
from nbactl.adapters.localjobs.runner import Delivery, LocalJobRunner
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.outbox import Outbox
from nbactl.errors import DataError, TimedOutError, UnavailableError
from nbactl.ports.documents import Query
from nbactl.ports.jobs import HttpTarget, JobSpec, TopicTarget
from nbactl.testing import FakeClock, memory_bus, memory_documents
from tests.kit.http_server import LoopbackServer
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbactl.errors import NbactlError
    from nbactl.ports.documents import Create, DocumentStore

NOW = datetime(2026, 1, 15, 12, 1, tzinfo=UTC)
FIVE = JobSpec("beat", "*/5 * * * *", "UTC", HttpTarget("http://orchestrator.up/heartbeat"), 60.0)


@dataclass
class Machine:
    """A machine with a scheduler; `sent` has the due time of each request."""

    clock: FakeClock
    store: DocumentStore
    sent: list[str] = field(default_factory=list)
    errors: list[NbactlError] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.jobs = LocalJobs(self.store, self.clock)
        self.outbox = Outbox(self.store, memory_bus(self.clock, "topic"), self.clock, redrive_after=60.0, keep=3600.0)

    def runner(self, owner: str = "a") -> LocalJobRunner:
        return LocalJobRunner(
            self.store, self.clock, Delivery(self._request, self._message), owner=owner, is_dead=self.dead.__contains__
        )

    def go(self, minutes: float = 0.0, owner: str = "a") -> None:
        """Let time pass, and send what is due."""
        self.clock.advance(60.0 * minutes)
        for thread in self.runner(owner).run_due():
            thread.join()

    def messages(self) -> list[Any]:
        return [document.data["data"] for document in self.store.query(Query("outbox"))]

    def _request(self, target: HttpTarget, headers: Mapping[str, str], deadline: float) -> None:  # noqa: ARG002
        self.sent.append(headers["X-CloudScheduler-ScheduleTime"][11:16])
        if self.errors:
            raise self.errors.pop(0)

    def _message(self, key: str, target: TopicTarget) -> Create:
        if not target.data.startswith(b"{"):
            raise DataError("the message is not JSON")
        return self.outbox.message(key, target.topic, json.loads(target.data))


@pytest.fixture
def machine() -> Iterator[Machine]:
    clock = FakeClock(NOW)
    with closing(memory_documents(clock)) as store:
        yield Machine(clock, store)


def test_a_job_is_sent_when_it_is_due_and_not_before(machine: Machine) -> None:
    machine.jobs.create(FIVE)
    machine.go(3.9)
    assert machine.sent == []
    machine.go(0.1)
    machine.go(0.1)
    assert machine.sent == ["12:05"]
    job = machine.jobs.get("beat")
    assert (job.last_error, job.next_run_at) == (None, NOW.replace(minute=10))


def test_what_was_missed_while_nothing_ran_is_sent_once(machine: Machine) -> None:
    machine.jobs.create(FIVE)
    machine.go(180)
    machine.go(1)
    assert machine.sent == ["12:05"]
    machine.go(5)
    assert machine.sent == ["12:05", "15:05"]


def test_a_paused_job_is_sent_only_by_hand(machine: Machine) -> None:
    machine.jobs.create(FIVE)
    machine.jobs.pause("beat")
    machine.go(60)
    assert machine.sent == []
    machine.jobs.run("beat")
    machine.go(1)
    machine.go(1)
    assert len(machine.sent) == 1
    assert machine.jobs.get("beat").state == "paused"


def test_why_an_attempt_failed_is_kept_and_it_is_repeated_as_often_as_said(machine: Machine) -> None:
    machine.jobs.create(FIVE)
    machine.errors = [UnavailableError("it answered HTTP 500")]
    machine.go(4)
    assert machine.jobs.get("beat").last_error == "it answered HTTP 500"
    machine.jobs.update(replace(FIVE, retries=1))
    machine.errors = [UnavailableError("it answered HTTP 500")]
    machine.go(5)
    assert machine.jobs.get("beat").last_error is None
    assert len(machine.sent) == 3
    machine.errors = [TimedOutError("too late")] * 2
    machine.go(5)
    assert machine.jobs.get("beat").timed_out


def test_two_processes_share_the_jobs(machine: Machine) -> None:
    machine.jobs.create(FIVE)
    machine.clock.advance(240)
    runners = [machine.runner(owner) for owner in "abcd"]
    threads = [threading.Thread(target=lambda one=one: [each.join() for each in one.run_due()]) for one in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert machine.sent == ["12:05"]


def test_a_message_is_announced_once_with_its_attempt(machine: Machine) -> None:
    machine.jobs.create(replace(FIVE, target=TopicTarget("topic", b'{"a": 1}')))
    machine.go(4)
    machine.go(0)
    assert machine.messages() == ['{"a": 1}']
    machine.jobs.update(replace(FIVE, target=TopicTarget("topic", b"words")))
    machine.go(5)
    assert machine.jobs.get("beat").last_error == "the message is not JSON"
    assert len(machine.messages()) == 1


def test_an_attempt_whose_process_died_is_sent_again_with_its_time(machine: Machine) -> None:
    machine.jobs.create(FIVE)
    machine.clock.advance(240)
    attempt = machine.runner("a")._claim("scheduled_jobs/beat", _Direct(machine.store))  # type: ignore[arg-type]
    assert attempt is not None
    machine.go(1, "b")
    assert machine.sent == []  # it may be under way
    machine.dead = {"a"}
    machine.go(0, "b")
    machine.go(0, "b")
    assert machine.sent == ["12:05"]


class _Direct:
    """A transaction of one write after the other."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.get = store.get

    def write(self, *writes: Any) -> None:
        self._store.commit(writes)


@contextmanager
def counting_server() -> Iterator[tuple[str, list[str]]]:
    times: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            times.append(str(self.headers["X-CloudScheduler-ScheduleTime"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", times
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


KILLED = """
import os, sys
from nbactl.bootstrap import Container
from nbactl.bootstrap.jobs import make_job_runner
from nbactl.config.settings import load_settings
from nbactl.core._support import faults
from pathlib import Path
faults.arm_from_environment(sys.argv[1])
app = Container(load_settings({"state_dir": sys.argv[2]}, {}, Path(sys.argv[2])))
for thread in make_job_runner(app, lambda _: sys.argv[3]).run_due():
    thread.join()
app.close()
"""


@pytest.mark.parametrize(("point", "requests"), [("localjobs.claimed", 1), ("localjobs.sent", 2)])
def test_a_runner_that_is_killed_loses_nothing(tmp_path: Path, point: str, requests: int) -> None:
    """Before it was sent it is sent once; after that it may have arrived, and comes again with the same time."""
    clock = SystemClock()
    with closing(SqliteDocuments(tmp_path / "documents.db", clock=clock, busy_timeout=5.0)) as store:
        jobs = LocalJobs(store, clock)
        jobs.create(FIVE)
        jobs.run("beat")
        with counting_server() as (address, times):
            for fault, code in ((f"{point}=kill", -signal.SIGKILL), ("", 0)):
                words = [sys.executable, "-c", KILLED, fault, str(tmp_path), address]
                assert subprocess.run(words, cwd=ROOT, check=False, timeout=60).returncode == code
        assert len(times) == requests
        assert len(set(times)) == 1
        job = jobs.get("beat")
        assert job.last_error is None
        assert job.last_attempt_at is not None
        assert clock.now() - job.last_attempt_at < timedelta(minutes=2)
