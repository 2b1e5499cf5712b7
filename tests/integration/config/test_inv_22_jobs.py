"""Every key of a scheduled job is heeded (invariant 22)."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.jobs import declared_jobs
from nbactl.config.settings import load_settings
from nbactl.core.jobs.model import PausedJob
from nbactl.ports.jobs import HttpTarget, JobSpec, TopicTarget
from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.jobs.model import DeclaredJob

JOB = "workflows.yaml: jobs.*."
URL = "https://scrapers-xyz.a.run.app"
ACCOUNT = "cron@{project}.iam.gserviceaccount.com"
REQUEST = {"service": "scrapers", "path": "/scrape"}


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    return Project(tmp_path, capsys)


def declared(project: Project, target: dict[str, Any] | None = None, **keys: Any) -> DeclaredJob:
    """Return the one declared job as it is on gcp."""
    base = {"schedule": "*/5 * * * *", "target": target or REQUEST}
    if "topic" not in base["target"]:
        base |= {"account": ACCOUNT, "attempt_deadline": "task.fetch"}
    project.workflows["jobs"] = {"j": {**base, **keys}}
    project.load()
    given = {"config_dir": str(project.folder), "state_dir": str(project.folder / "state")}
    given |= {"target": "gcp", "project": "p1", "region": "us-west9"}
    with Container(load_settings(given, {}, project.folder), environ={}) as app:
        (job,) = declared_jobs(app, {"scrapers": URL})
    return job


def spec(project: Project, target: dict[str, Any] | None = None, **keys: Any) -> JobSpec:
    found = declared(project, target, **keys).spec
    assert found is not None
    return found


def request(project: Project, target: dict[str, Any] | None = None, **keys: Any) -> HttpTarget:
    found = spec(project, target, **keys).target
    assert isinstance(found, HttpTarget)
    return found


@proves(*(JOB + key for key in ("description", "schedule", "timezone", "attempt_deadline", "retries")))
def test_inv_22_when_and_how_long(project: Project) -> None:
    assert spec(project).timezone == "America/New_York"
    found = spec(project, description="d", schedule="1 2 * * *", timezone="UTC", retries=2)
    assert (found.description, found.schedule, found.timezone, found.retries) == ("d", "1 2 * * *", "UTC", 2)
    assert found.attempt_deadline == 180.0
    project.timeout("task.quick", "20s")
    assert spec(project, attempt_deadline="task.quick").attempt_deadline == 20.0


@proves(*(JOB + "target." + key for key in ("service", "path", "url", "method", "body")))
def test_inv_22_what_a_request_is(project: Project) -> None:
    found = request(project, {**REQUEST, "method": "PUT", "body": {"a": [1]}})
    assert (found.url, found.method, json.loads(found.body)) == (f"{URL}/scrape", "PUT", {"a": [1]})
    assert found.headers == {"Content-Type": "application/json"}
    other = request(project, {"url": "https://run.googleapis.com/v2/projects/{project}/locations/{region}/jobs/x:run"})
    assert other.url == "https://run.googleapis.com/v2/projects/p1/locations/us-west9/jobs/x:run"


@proves(*(JOB + "target." + key for key in ("topic", "attributes")))
def test_inv_22_what_a_message_is(project: Project) -> None:
    found = spec(project, {"topic": "first-complete", "body": {"a": 1}, "attributes": {"by": "cron"}})
    assert found.target == TopicTarget("first-complete", b'{"a": 1}', {"by": "cron"})
    assert found.attempt_deadline is None


@proves(JOB + "token", JOB + "audience", JOB + "account")
def test_inv_22_tokens_follow_from_the_target_or_are_declared(project: Project) -> None:
    def token(*args: Any, **keys: Any) -> tuple[str, str | None, str | None]:
        found = request(project, *args, **keys)
        return found.token, found.account, found.audience

    assert token() == ("oidc", "cron@p1.iam.gserviceaccount.com", URL)
    assert token(audience="https://{project}.example.com")[2] == "https://p1.example.com"
    assert token(account="a@b.c")[1] == "a@b.c"
    google = {"url": "https://run.googleapis.com/v2/x:run"}
    assert token(google) == ("oauth", "cron@p1.iam.gserviceaccount.com", None)
    assert token(google, token="oidc")[::2] == ("oidc", "https://run.googleapis.com")  # noqa: S106 - a kind
    assert token({"url": "https://example.com/x"}, account=None) == ("none", None, None)


@proves(JOB + "paused.reason", JOB + "paused.until")
def test_inv_22_pauses(project: Project) -> None:
    assert declared(project).paused is None
    pause = {"reason": "No games in summer", "until": "2026-10-01"}
    assert declared(project, paused=pause).paused == PausedJob("No games in summer", date(2026, 10, 1))


@proves(JOB + "starts")
def test_inv_22_what_does_not_run_without_it(project: Project) -> None:
    # Its service does both phases, the topic starts the second one.
    assert declared(project).starts == {"fetch", "count", "export", "predict"}
    project.workflows["phases"]["second"]["trigger_topic"] = "go"
    assert declared(project, {"topic": "go"}).starts == {"export", "predict"}
    quiet = {"url": "https://example.com/x"}
    assert declared(project, quiet, account=None).starts == frozenset()
    assert declared(project, quiet, account=None, starts=["often"]).starts == {"fetch"}
    assert declared(project, quiet, account=None, starts=["daily"]).starts == {"fetch", "count", "export", "predict"}


def test_a_service_that_is_not_deployed_is_a_problem_of_the_job(project: Project) -> None:
    found = declared(project, {"service": "predictor"})
    assert (found.spec, found.problem) == (None, "the address of predictor is not known: it is not deployed")
