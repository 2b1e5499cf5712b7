from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.service.health import Check, Health
from nbactl.core.service.probes import Identity, Probes, Reports, RequestStats
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock
from tests.kit.asgi_client import ask

if TYPE_CHECKING:
    from nbactl.core._support.aio import Receive, Scope, Send
    from nbactl.core.observe.events import Event


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.down = False
        self.stopping = False
        self.probed = 0
        self.passed: list[str] = []
        self.health = Health([Check("documents", self._probe, 5.0)], clock=self.clock, every=15.0)
        traffic = RequestStats(self.clock, 300.0)
        identity = Identity("worker", "1.2.3", "abc123")
        reports = Reports(identity, self.health, traffic, clock=self.clock, is_stopping=lambda: self.stopping)
        self.heard: list[Event] = []
        self.app = Probes(self._app, reports, traffic, clock=self.clock, metrics=self._metrics, hook=self.heard.append)

    def run(self) -> None:
        self.health.run()
        give_up = time.monotonic() + 10
        while any(thread.name == "nbactl-health-documents" for thread in threading.enumerate()):
            assert time.monotonic() < give_up
        self.clock.advance(1.0)

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(ask(self.app, "/health").body)
        return report

    def _probe(self) -> None:
        self.probed += 1
        if self.down:
            raise UnavailableError("Firestore does not answer")

    async def _metrics(self, _: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"nbactl_up 1"})

    async def _app(self, scope: Scope, _: Receive, send: Send) -> None:
        self.passed.append(scope["type"])
        if scope["type"] != "http":
            return
        if scope["path"] == "/bug":
            raise ZeroDivisionError
        if scope["path"] == "/push":
            scope["nbactl.route"] = "/push"
        self.clock.advance(0.2)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"app"})


@pytest.mark.parametrize("path", ["/live", "/ready", "/health"])
def test_no_probe_asks_a_dependency(path: str) -> None:
    world = World()
    for _ in range(5):
        ask(world.app, path)
        world.clock.advance(2.0)
    assert world.probed == 0


def test_it_lives_whatever_becomes_of_its_dependencies() -> None:
    world = World()
    world.down = world.stopping = True
    world.run()
    assert ask(world.app, "/live").status == 200


def test_it_is_ready_when_it_has_looked_and_nothing_critical_fails_and_it_does_not_stop() -> None:
    world = World()
    answer = ask(world.app, "/ready")
    assert (answer.status, json.loads(answer.body)["reasons"]) == (503, ["documents: not checked yet"])
    world.run()
    assert ask(world.app, "/ready").status == 200
    world.stopping = True
    answer = ask(world.app, "/ready")
    assert (answer.status, json.loads(answer.body)) == (503, {"ready": False, "reasons": ["stopping"]})
    world.stopping, world.down = False, True
    world.run()
    assert json.loads(ask(world.app, "/ready").body)["reasons"] == ["documents: Firestore does not answer"]


def test_the_report_has_all_that_an_operator_asks_for() -> None:
    world = World()
    world.run()
    for _ in range(20):
        assert ask(world.app, "/other").body == b"app"
    answer = ask(world.app, "/health")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/health+json")
    assert answer.headers["cache-control"] == "no-store"
    report = json.loads(answer.body)
    assert (report["status"], report["serviceId"], report["releaseId"], report["configDigest"]) == (
        "pass", "worker", "1.2.3", "abc123",
    )  # fmt: skip
    checks = {name: entry[0] for name, entry in report["checks"].items()}
    assert checks["uptime"]["observedValue"] == pytest.approx(5.0)
    assert checks["requests:count"]["observedValue"] == 20
    assert checks["requests:averageTime"]["observedValue"] == pytest.approx(200.0)
    assert checks["requests:p95Time"]["observedValue"] == pytest.approx(200.0, rel=0.1)
    dependency = checks["documents:responseTime"]
    assert (dependency["status"], dependency["componentType"], dependency["observedUnit"]) == (
        "pass",
        "datastore",
        "ms",
    )


def test_a_critical_dependency_that_fails_is_answered_with_503_and_named() -> None:
    world = World()
    world.down = True
    world.run()
    answer = ask(world.app, "/health")
    report = json.loads(answer.body)
    assert (answer.status, report["status"]) == (503, "fail")
    assert report["output"] == "documents: Firestore does not answer"


def test_an_answer_is_rendered_at_most_once_a_second() -> None:
    world = World()
    world.run()
    before = world.report()
    ask(world.app, "/other")
    assert world.report() == before
    world.clock.advance(1.0)
    assert world.report()["checks"]["requests:count"][0]["observedValue"] == 1


@pytest.mark.parametrize("path", ["/live", "/ready", "/health"])
def test_head_has_no_body_and_other_methods_are_refused(path: str) -> None:
    world = World()
    head, post = ask(world.app, path, "HEAD"), ask(world.app, path, "POST")
    assert head.body == b""
    assert int(head.headers["content-length"]) > 0
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")


def test_every_request_but_those_of_the_platform_is_reported_under_its_route() -> None:
    world = World()
    for path in ("/push", "/nobody/knows", "/live", "/health", "/metrics"):
        ask(world.app, path)
    with pytest.raises(ZeroDivisionError):
        ask(world.app, "/bug")
    told = [(event.kind, event.name, event.fields["status"]) for event in world.heard]
    assert told == [("http.served", "/push", 200), ("http.served", "(other)", 200), ("http.served", "(other)", 500)]
    assert world.heard[0].fields["seconds"] == pytest.approx(0.2)


def test_metrics_are_answered_where_they_are_given() -> None:
    assert ask(World().app, "/metrics").body == b"nbactl_up 1"


def test_what_is_no_request_passes_through() -> None:
    world = World()

    async def nothing(*_: object) -> Any:
        return None

    for kind in ("lifespan", "websocket"):
        coroutine = world.app({"type": kind}, nothing, nothing)
        with pytest.raises(StopIteration):
            coroutine.send(None)
    assert world.passed == ["lifespan", "websocket"]
