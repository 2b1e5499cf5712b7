"""Requests to services: identity, what answers mean, services that cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbactl.config.deployed import SmokeSpec
from nbactl.core._support.clock import SystemClock
from nbactl.deployments.probing import Prober
from nbactl.errors import NotAuthorisedError, PreconditionError
from nbactl.ports.services import DeployedService
from tests.kit.service_routes import Routes, service_routes

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = SmokeSpec(path="/ready", method="GET")


@pytest.fixture(scope="module")
def routes() -> Iterator[Routes]:
    with service_routes() as served:
        yield served


@pytest.fixture
def service(routes: Routes) -> DeployedService:
    routes.answers.clear()
    routes.calls.clear()
    routes.answers["worker", "/health"] = (200, {"status": "pass"})
    return DeployedService("worker", f"{routes.address}/worker", {}, frozenset(), None, None, (), "1")


def prober(token: str | None = None) -> Prober:
    return Prober(lambda _: token, clock=SystemClock(), health=5.0, smoke=5.0, new_id=lambda: "smoke-1", direct=True)


def test_both_requests_carry_the_identity(service: DeployedService, routes: Routes) -> None:
    routes.answers["worker", "/ready"] = (200, {})
    assert prober("abc").smoke(service, READY).state == "works"
    assert [headers["Authorization"] for _, _, _, headers, _ in routes.calls] == ["Bearer abc", "Bearer abc"]
    assert routes.paths("worker") == ["GET /health", "GET /ready"]


def test_the_token_is_for_the_address_of_the_service(service: DeployedService) -> None:
    audiences: list[str] = []
    asked = Prober(audiences.append, clock=SystemClock(), health=5.0, smoke=5.0, new_id=str, direct=True)
    asked.health(service)
    assert audiences == [service.url]


@pytest.mark.parametrize("status", [401, 403])
def test_an_identity_that_may_not_call_is_told_the_role(service: DeployedService, routes: Routes, status: int) -> None:
    routes.answers["worker", "/health"] = routes.answers["worker", "/ready"] = (status, "<html>")
    assert "roles/run.invoker" in prober().health(service).detail
    report = prober().smoke(service, READY)
    assert (report.state, report.status) == ("unknown", status)
    assert "roles/run.invoker" in report.detail


def test_a_route_that_is_not_there_is_broken_and_may_be_behind_an_ingress(service: DeployedService) -> None:
    report = prober().smoke(service, READY)
    assert (report.state, report.status) == ("broken", 404)
    assert "ingress" in report.detail


def test_a_report_of_failure_with_status_200_is_a_failure_of_its_own_words(
    service: DeployedService, routes: Routes
) -> None:
    routes.answers["worker", "/health"] = (503, {"status": "pass"})
    assert prober().health(service).state == "fail"
    routes.answers["worker", "/health"] = (500, "oops")
    assert prober().health(service).state == "fail"
    routes.answers["worker", "/health"] = (200, {"status": "warn", "output": "flags: old", "configDigest": "ab"})
    report = prober().health(service)
    assert (report.state, report.detail, report.config_digest, report.is_green) == ("warn", "flags: old", "ab", True)


def test_services_that_cannot_be_asked_are_unknown(service: DeployedService) -> None:
    closed = replace(service, url="http://127.0.0.1:9")
    assert prober().health(closed).state == "unknown"
    assert prober().smoke(closed, READY).state == "unknown"
    homeless = prober().health(replace(service, url="", problem="it crashed"))
    assert isinstance(homeless.error, PreconditionError)

    def refuse(_: str) -> None:
        raise NotAuthorisedError("no identity")

    refused = Prober(refuse, clock=SystemClock(), health=5.0, smoke=5.0, new_id=str, direct=True).health(service)
    assert (refused.state, refused.detail) == ("unknown", "no identity")
