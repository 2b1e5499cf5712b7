"""Every key of `services:` is followed (invariant 22)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.deployments.desired import desired_state, differences
from nbactl.deployments.probing import Prober, smoke_body
from nbactl.ports.services import DeployedService, Traffic
from tests.integration.config.keys import proves
from tests.integration.config.project import Project
from tests.kit.service_routes import service_routes

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.deployments.probing import SmokeReport

SERVICES = "workflows.yaml: services.*."
ORACLE = DeployedService(
    "oracle",
    "",
    {"MODE": "fast"},
    frozenset(),
    "oracle-1",
    "oracle-1",
    (Traffic(100, None),),
    "1",
    image="p/oracle:v1",
    settings={"min_instances": 0, "max_instances": 9, "concurrency": 9, "timeout": 9.0},
)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    project = Project(tmp_path, capsys)
    project.workflows["tasks"]["predict"]["service"] = {"name": "oracle"}
    return project


@proves(*(SERVICES + key for key in ("min_instances", "max_instances", "concurrency", "timeout", "env", "image_tag")))
def test_inv_22_what_is_declared_of_a_service_is_what_it_is_compared_with(project: Project) -> None:
    def differing(**declared: Any) -> list[tuple[str, Any]]:
        project.workflows["services"] = {"oracle": declared}
        config = project.load()
        desired = desired_state(config.workflows.services["oracle"], config.timeouts)
        return [(found.name, found.wanted) for found in differences(ORACLE, desired)]

    project.timeout("task.oracle", "77s")
    assert differing() == []
    assert differing(min_instances=1) == [("min_instances", 1)]
    assert differing(max_instances=8) == [("max_instances", 8)]
    assert differing(concurrency=8) == [("concurrency", 8)]
    assert differing(timeout="task.oracle") == [("timeout", 77.0)]
    assert differing(env={"MODE": "slow"}) == [("MODE", "slow")]
    assert differing(image_tag="v2") == [("image", "v2")]


@proves(*(f"{SERVICES}smoke.{key}" for key in ("path", "method", "body", "push", "expect")))
def test_inv_22_the_declared_route_is_what_is_called(project: Project) -> None:
    with service_routes() as routes:

        def called(**smoke: Any) -> tuple[SmokeReport, Any]:
            project.workflows["services"] = {"oracle": {"smoke": smoke}}
            spec = project.load().workflows.services["oracle"].smoke
            prober = Prober(
                lambda _: None, clock=SystemClock(), health=5.0, smoke=5.0, new_id=lambda: "smoke-1", direct=True
            )
            service = DeployedService("oracle", f"{routes.address}/oracle", {}, frozenset(), None, None, (), "1")
            return prober.smoke(service, spec), routes.calls[-1]

        routes.answers["oracle", "/ask"] = (400, "")
        report, call = called(path="/ask", body={"day": 1})
        assert (report.state, report.status, call[1:3], call[4]) == ("broken", 400, ("POST", "/ask"), {"day": 1})
        report, call = called(path="/ask", method="GET", expect=400)
        assert (report.state, call[1], call[4]) == ("works", "GET", None)
        _, call = called(path="/ask", push=True, body={"day": 1})
        assert json.loads(base64.b64decode(call[4]["message"]["data"])) == {"day": 1}
        assert call[4]["message"]["messageId"] == "smoke-1"


def test_inv_21_what_cannot_be_declared_of_a_service_is_refused(project: Project) -> None:
    def said(**declared: Any) -> list[str]:
        project.workflows["services"] = {"oracle": declared}
        return project.problems()

    assert said(min_instances=3, max_instances=2) == ["at least 3 instances and at most 2 cannot be."]
    assert said(timeout="task.fetsh") == [
        "'task.fetsh' is not under timeouts in timeouts.yaml. Did you mean 'task.fetch'?"
    ]
    (reserved,) = said(env={"PORT": "80"})
    assert "Cloud Run sets it by itself" in reserved
    assert said(smoke={"path": "ask"}) == ["'ask' is not a path: it must begin with /."]
    assert said(smoke={"path": "/ask", "method": "GET", "body": {"day": 1}}) == [
        "a GET request has no body. Write `method: POST`."
    ]
    assert said(smoke={"path": "/ask", "expect": 500})[0].startswith("services.oracle.smoke.expect is 500")
    assert said(env={"DEBUG": True})[0].startswith("services.oracle.env.DEBUG is true")


def test_inv_21_a_service_that_nothing_calls_may_be_declared_and_a_typo_is_refused(project: Project) -> None:
    project.workflows["services"] = {"phase2-to-phase3-orchestrator": {"max_instances": 1}}
    assert project.problems() == []
    assert "phase2-to-phase3-orchestrator" in project.load().workflows.declared_services
    for said in ({}, {"region": "us-west1"}):
        project.workflows["services"] = {"orcle": said}
        assert project.problems() == ["'orcle' is not the service of any task or phase. Did you mean 'oracle'?"]


def test_a_get_request_has_no_body(project: Project) -> None:
    project.workflows["services"] = {"oracle": {"smoke": {"path": "/ready", "method": "GET"}}}
    spec = project.load().workflows.services["oracle"].smoke
    assert spec is not None
    assert smoke_body(spec, lambda: "smoke-1") is None
