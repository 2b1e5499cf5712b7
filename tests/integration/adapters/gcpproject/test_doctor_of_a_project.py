"""What `nbactl doctor --target gcp` finds in a project, asked of a server that answers in Google's forms."""

from __future__ import annotations

import dataclasses
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.doctor import check_context
from nbactl.bootstrap.project import declared_indexes, declared_ttl, gcp_project
from nbactl.checks.doctor import gcp as checks
from nbactl.checks.doctor.context import JobProblems
from nbactl.checks.doctor.gcp import examine_project
from nbactl.checks.doctor.permissions import NEEDS, all_permissions
from nbactl.config.deployed import DeployedSpec
from nbactl.config.loader import config_digest
from nbactl.config.repository import committed_digest
from nbactl.config.settings import load_settings
from nbactl.warehouse.tables import load_tables
from tests.kit.cloud_run_server import PINNED, cloud_run_server
from tests.kit.google_project_server import ACCOUNT, google_project_server
from tests.kit.service_routes import service_routes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nbactl.checks.doctor.context import Finding
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.google_project_server import ProjectServer
    from tests.kit.service_routes import Routes

PROJECT = "test-project"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProjectServer, Path]]:
    with google_project_server(PROJECT) as project:
        key = tmp_path_factory.mktemp("key") / "key.json"
        project.write_key(key)
        yield project, key


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudRun]:
    with cloud_run_server(PROJECT) as services:
        yield services


@pytest.fixture(scope="module")
def routes() -> Iterator[Routes]:
    with service_routes() as served:
        yield served


@pytest.fixture
def app(
    server: tuple[ProjectServer, Path], cloud: CloudRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Container]:
    project, key = server
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    given = {"state_dir": str(tmp_path / "state"), "target": "gcp", "project": PROJECT}
    environ = {**project.overrides(), "CLOUD_RUN_EMULATOR_HOST": cloud.address}
    with Container(load_settings(given, {}, tmp_path), environ=environ) as container:
        yield container


@pytest.fixture
def healthy(app: Container, server: tuple[ProjectServer, Path], cloud: CloudRun, routes: Routes) -> ProjectServer:
    project, _ = server
    project.granted = all_permissions()
    project.datasets = {name.partition(".")[0]: "US-WEST2" for name in load_tables()}
    project.indexes = dict.fromkeys(declared_indexes(), "READY")
    project.ttl = dict.fromkeys(declared_ttl(), "ACTIVE")
    project.topics = sorted(app.config.workflows.topics)
    project.subscriptions = {f"{topic}-pulled": {"topic": topic} for topic in project.topics}
    project.refusals = {}
    cloud.services.clear()
    digest = committed_digest(app.config.files["workflows"].parent, limit=20.0) or config_digest(app.config)
    for name in app.config.workflows.declared_services:
        spec = app.config.workflows.services[name]
        cloud.deploy(name, timeout=f"{app.config.timeouts[spec.timeout or 'task.raw']:g}s")
        routes.serve(cloud, name, configDigest=digest)
    return project


def found(app: Container) -> list[Finding]:
    no_jobs = JobProblems(0, ())  # tests/integration/cli/jobs has some
    context = dataclasses.replace(check_context(app), ask_firestore=lambda: None, job_problems=lambda: no_jobs)
    return list(examine_project(context))


def of(findings: Sequence[Finding], name: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.name == name]
    return finding


def test_a_project_that_has_everything_has_one_good_finding_a_check(app: Container, healthy: ProjectServer) -> None:
    findings = found(app)
    names = ["credentials", "firestore", "permissions", "datasets", "indexes", "ttl policies"]
    names += ["topics", "subscriptions", "services", "config in use", "jobs"]
    assert [(finding.name, finding.status) for finding in findings] == [(name, "ok") for name in names]
    assert of(findings, "credentials").message == f"service account {ACCOUNT}"
    assert of(findings, "indexes").message == f"{len(healthy.indexes)} composite indexes are ready"
    assert len(healthy.indexes) > 1


def test_a_missing_permission_names_the_commands_and_the_smallest_role(app: Container, healthy: ProjectServer) -> None:
    for need in NEEDS:
        shared = {one for other in NEEDS if other is not need for one in other.permissions}
        own = next(one for one in reversed(need.permissions) if one not in shared)
        healthy.granted = all_permissions() - {own}
        finding = of(list(checks.permissions(check_context(app))), "permissions")
        assert finding.status == "warn"
        assert finding.message == f"not for {', '.join(need.commands)}"
        assert own in (finding.cause or "")
        assert f"--role={need.role}" in (finding.fix or "")


def test_what_is_missing_is_named_with_the_command_that_makes_it(app: Container, healthy: ProjectServer) -> None:
    del healthy.datasets["nba_raw"]
    healthy.datasets["nba_analytics"] = "US"
    gone = next(index for index in healthy.indexes if index[0] == "runs")
    del healthy.indexes[gone]
    del healthy.ttl["outbox", "expires_at"]
    healthy.topics.remove("nba-phase3-trigger")
    findings = found(app)
    assert [(one.status, one.message) for one in findings if one.name == "datasets"] == [
        ("warn", "not there: nba_raw"), ("failed", "in us: nba_analytics")
    ]  # fmt: skip
    index, ttl, topic = (of(findings, name) for name in ("indexes", "ttl policies", "topics"))
    assert (index.status, index.message) == ("failed", f"not there: runs by {gone[1][0][0]}, started_at")
    assert "--field-config=field-path=started_at,order=descending" in shlex.split(index.fix or "")
    assert (ttl.status, ttl.message) == ("warn", "none on outbox.expires_at")
    assert "--collection-group=outbox --enable-ttl" in (ttl.fix or "")
    assert (topic.status, topic.message) == ("failed", "not there: nba-phase3-trigger")
    assert topic.fix == "gcloud pubsub topics create nba-phase3-trigger --project=test-project"


def test_an_index_that_is_being_built_is_a_warning(app: Container, healthy: ProjectServer) -> None:
    building = next(index for index in healthy.indexes if index[0] == "runs")
    healthy.indexes[building] = "CREATING"
    finding = of(found(app), "indexes")
    assert (finding.status, finding.message[:18]) == ("warn", "creating: runs by ")


def test_a_push_that_delivers_in_a_hot_loop_fails_and_one_that_expires_is_a_warning(
    app: Container, healthy: ProjectServer
) -> None:
    endpoint = "https://nba-phase3-analytics-processors-abc-wl.a.run.app/process"
    push = {"pushEndpoint": endpoint, "oidcToken": {"serviceAccountEmail": ACCOUNT}}
    letters = {"deadLetterTopic": f"projects/{PROJECT}/topics/nba-phase3-trigger", "maxDeliveryAttempts": 5}
    whole = {"retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"}, "deadLetterPolicy": letters}
    basis = {"topic": "nba-phase3-trigger", "ackDeadlineSeconds": 600, "pushConfig": push}
    healthy.subscriptions |= {
        "expiring": {**basis, **whole, "expirationPolicy": {"ttl": "2678400s"}},
        "hot": {**basis, "deadLetterPolicy": letters, "expirationPolicy": {}},
    }
    findings = [(one.status, one.message) for one in found(app) if one.name == "subscriptions"]
    assert findings == [
        ("warn", "expiring: it is deleted after 31 days without a delivery"),
        ("failed", "hot: it has no retry policy"),
    ]


@pytest.mark.usefixtures("healthy")
def test_services_that_are_gone_broken_or_pinned_fail(app: Container, cloud: CloudRun) -> None:
    gone, broken, pinned, *_ = app.config.workflows.declared_services
    del cloud.services[gone]
    service = cloud.services[broken]
    service["terminalCondition"] = {"type": "Ready", "state": "CONDITION_FAILED", "message": "it crashed"}
    old = {"type": PINNED, "revision": f"{pinned}-00000-old", "percent": 100}
    cloud.services[pinned] |= {"traffic": [old], "trafficStatuses": [old]}
    findings = [(one.status, one.message, one.cause) for one in found(app) if one.name == "services"]
    assert [status for status, _, _ in findings] == ["failed"] * 3
    assert [message for _, message, _ in findings] == [
        f"{gone}: declared in workflows.yaml, and not deployed",
        f"{broken}: its newest revision is not ready",
        f"{pinned}: its newest revision gets 0 % of requests",
    ]
    assert findings[2][2] == f"All requests go to {pinned}-00000-old."


@pytest.mark.usefixtures("healthy")
def test_incident_9_a_reset_setting_is_a_warning_and_a_lost_variable_fails(app: Container) -> None:
    reset, emptied, *_ = app.config.workflows.declared_services
    app.config.workflows.services[reset] = DeployedSpec(min_instances=1)
    app.config.workflows.services[emptied] = DeployedSpec(env={"GCP_PROJECT": PROJECT})
    findings = list(checks.services(check_context(app)))
    assert [(one.status, one.message) for one in findings[:2]] == [
        ("warn", f"{reset}: min_instances is 0, declared 1"),
        ("failed", f"{emptied}: GCP_PROJECT is not set, declared {PROJECT}"),
    ]
    assert findings[0].fix == f"nbactl services apply {reset}"
    assert findings[2].message.startswith("what nbactl changed is not known: ")


@pytest.mark.usefixtures("healthy")
def test_a_service_that_uses_another_configuration_than_the_committed_one_is_named(
    app: Container, cloud: CloudRun, routes: Routes
) -> None:
    other, old, gone, *_ = app.config.workflows.declared_services
    routes.serve(cloud, other, configDigest="ffffffffffff")
    routes.answers[old, "/health"] = (200, "OK")
    cloud.services[gone]["uri"] = "http://127.0.0.1:9"
    findings = [one for one in found(app) if one.name == "config in use"]
    assert [(one.status, one.message) for one in findings[:2]] == [
        ("warn", f"{other}: another configuration than that of the last commit"),
        ("warn", f"not known of {gone}"),
    ]
    assert "They report ffffffffffff" in (findings[0].cause or "")
    assert findings[2].status == "ok"
    assert findings[2].message.endswith(f"; not reported by {old}")


@pytest.mark.parametrize(
    ("status", "said", "expected", "text", "fix"),
    [
        (403, "it has not been used in project 1", "warn", "is not enabled", "gcloud services enable firestore"),
        (403, "Permission denied on resource project.", "warn", "is not allowed to look", ""),
        (404, "The database (default) does not exist.", "failed", "not found", ""),
        (503, "try later", "failed", "is busy or failing", "status.cloud.google.com"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_reported_and_the_other_checks_run(  # noqa: PLR0917
    app: Container, healthy: ProjectServer, status: int, said: str, expected: str, text: str, fix: str
) -> None:
    healthy.refusals = {"/indexes$": (status, said)}
    findings = found(app)
    finding = of(findings, "indexes")
    assert finding.status == expected
    assert text in finding.message
    assert said in (finding.cause or "")
    assert fix in (finding.fix or "")
    assert of(findings, "topics").status == "ok"


def test_credentials_that_are_refused_or_missing_fail(
    app: Container, healthy: ProjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    healthy.refusals = {"^/token$": (400, "invalid_grant: the account was deleted")}
    finding, rest = found(app)
    assert (finding.status, finding.message) == ("failed", "the credentials are refused")
    assert (rest.status, rest.message) == ("skipped", "not checked without credentials")
    assert "gcloud auth application-default login" in (finding.fix or "")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    with closing(gcp_project(app)) as project:
        context = dataclasses.replace(check_context(app), project=lambda: project)
        assert _one(checks.credentials(context)).message == "no Google credentials were found"


def _one(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_beside_an_emulator_of_firestore_only_emulators_are_asked(app: Container) -> None:
    environ = {name: value for name, value in app.environ.items() if name != "CLOUD_RUN_EMULATOR_HOST"}
    context = dataclasses.replace(
        check_context(app), environ={**environ, "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}, ask_firestore=lambda: None
    )
    statuses = {finding.name: finding.status for finding in examine_project(context)}
    assert statuses.pop("firestore") == "ok"
    assert set(statuses.values()) == {"skipped"}
