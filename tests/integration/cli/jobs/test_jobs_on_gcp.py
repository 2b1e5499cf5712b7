"""`nbactl jobs` on gcp: incident 12 is found by one command and mended by another; every change has its way back."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.jobs import read_jobs
from nbactl.bootstrap.reporting import make_alert_rules, make_report_sources
from nbactl.cli.jobs.view import job_list
from nbactl.cli.main import main
from nbactl.cli.show.text import cell_width
from nbactl.config.loader import load_config
from nbactl.config.settings import load_settings
from nbactl.ports.documents import Query, Update
from tests.kit.scheduler_server import TIMEOUT
from tests.kit.shown import terminal

if TYPE_CHECKING:
    from nbactl.ports.alerts import Alert
    from tests.integration.cli.jobs.conftest import Project

SUMMER = "2026-06-19T03:05:00Z"


def stage_incident_12(project: Project) -> None:
    """Leave the jobs as they were: a wrong kind of token, a dead address, two that nobody resumed."""
    oidc = {"serviceAccountEmail": project.account, "audience": project.tick_url}
    put = project.scheduler.put
    put("tick", httpTarget={"uri": project.tick_url, "httpMethod": "POST", "oidcToken": oidc})
    put("old-export", httpTarget={"uri": "http://127.0.0.1:9/export", "httpMethod": "POST"})
    project.scheduler.put(
        "heartbeat",
        schedule="2-59/5 * * * *",
        state="PAUSED",
        lastAttemptTime=SUMMER,
        attemptDeadline="600s",
        httpTarget={
            "uri": f"{project.url}/heartbeat",
            "httpMethod": "POST",
            "oidcToken": {"serviceAccountEmail": project.account, "audience": project.url},
        },
    )
    put(
        "drift",
        state="PAUSED",
        lastAttemptTime=SUMMER,
        pubsubTarget={"topicName": "projects/p/topics/x"},
        retryConfig={"maxDoublings": 7},
    )


def test_incident_12_is_found_by_list_and_mended_by_apply(project: Project) -> None:
    stage_incident_12(project)
    found = project.findings("tick", "heartbeat", "old-export", "summer")
    assert found == {
        "heartbeat": ["paused"],
        "old-export": ["dead"],
        "summer": ["missing"],
        "tick": ["token"],
    }
    [tick] = project("list", "tick")["jobs"]
    assert "takes an OAuth token" in tick["findings"][0]["text"]
    assert tick["findings"][0]["mend"].startswith("nbactl jobs apply tick")
    [heartbeat] = project("list", "heartbeat")["jobs"]
    assert heartbeat["findings"][0]["text"] == "paused since 2026-06-18, and nobody said why"

    pending = project("diff", "--detailed-exitcode", code=3)
    assert {job["name"]: job["actions"] for job in pending["jobs"]} == {
        "tick": ["update"],
        "heartbeat": ["resume"],
        "summer": ["create", "pause"],
        "old-export": [],
        "drift": [],
    }
    project("apply")
    assert project.findings("tick", "heartbeat", "summer") == {}
    assert project.scheduler.jobs["summer"]["state"] == "PAUSED"
    assert set(project.scheduler.jobs) == {"tick", "heartbeat", "summer", "old-export", "drift"}
    sent = project.scheduler.changes()
    assert project("apply")["applied"] is False
    assert project.scheduler.changes() == sent
    project("diff", "--detailed-exitcode")


def test_the_list_fits_into_a_narrow_terminal_and_gives_reasons_in_words(project: Project) -> None:
    stage_incident_12(project)
    with Container(load_settings({}, os.environ, project.folder), environ=os.environ) as app:
        view = job_list(read_jobs(app), app.settings)
    shown = terminal(view.show)
    table, _, findings = shown.partition("✗")
    assert max(map(cell_width, table.splitlines())) <= 80
    assert "http://127.0.0.1:9/export does not answer: Connection refused" in findings


def test_a_plan_changes_nothing(project: Project) -> None:
    stage_incident_12(project)
    before = project.forms()
    assert {job["name"] for job in project("apply", "--prune", "--dry-run")["jobs"]} >= {"drift", "tick"}
    project("pause", "tick", "--reason", "a look", "--dry-run")
    project("run", "tick", "--dry-run")
    assert (project.forms(), project.scheduler.changes()) == (before, [])


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "tick"),
        ("apply", "summer"),
        ("apply", "heartbeat"),
        ("pause", "tick", "--reason", "a fault at Google"),
        ("resume", "drift"),
        ("apply", "--prune"),
    ],
    ids=" ".join,
)
def test_inv_13_undo_brings_back_exactly_what_was(project: Project, words: tuple[str, ...]) -> None:
    stage_incident_12(project)
    before = project.forms()
    done = project(*words)
    assert project.forms() != before
    for line in done["undo"]:
        project(*line.split()[2:4])
    assert _without_agent(project.forms()) == _without_agent(before)


def _without_agent(forms: dict[str, Any]) -> dict[str, Any]:
    """Leave out the header that the scheduler adds itself, and what is empty: it is the same as what is not there."""
    for job in forms.values():
        job.get("httpTarget", {}).get("headers", {}).pop("User-Agent", None)
    found: dict[str, Any] = _filled(forms)
    return found


def _filled(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: inner for key, item in value.items() if (inner := _filled(item)) not in ({}, "", 0)}


def test_a_change_of_another_operator_is_not_overwritten(project: Project) -> None:
    stage_incident_12(project)
    scheduler = project.scheduler
    seen: list[str] = []

    def meanwhile(method: str, name: str) -> None:
        if (method, name) == ("GET", "tick") and not seen:  # between the plan and the change
            seen.append(name)
            scheduler.jobs["tick"]["schedule"] = "0 * * * *"

    scheduler.before = meanwhile
    project("apply", "tick", code=6)
    assert "changed by someone else" in project.err
    assert scheduler.jobs["tick"]["schedule"] == "0 * * * *"
    assert scheduler.changes() == []


def test_two_operators_who_want_the_same_both_succeed(project: Project) -> None:
    stage_incident_12(project)
    scheduler = project.scheduler
    project("apply", "tick")
    wanted = dict(scheduler.jobs["tick"])
    stage_incident_12(project)

    def meanwhile(method: str, name: str) -> None:
        if (method, name) == ("GET", "tick"):
            scheduler.jobs["tick"] = wanted

    scheduler.before = meanwhile
    changes = len(scheduler.changes())
    assert project("apply", "tick")["applied"] is False
    assert len(scheduler.changes()) == changes


def test_what_fails_in_the_middle_keeps_what_was_done_and_is_given_again(project: Project) -> None:
    stage_incident_12(project)
    project.scheduler.denied = {"cloudscheduler.jobs.update"}
    project("apply", code=5)
    assert "cloudscheduler.jobs.update is missing" in project.err
    assert "roles/cloudscheduler.admin" in project.err
    project.scheduler.denied = set()
    project("apply")
    project("diff", "--detailed-exitcode")


def test_an_undo_of_a_job_that_was_changed_again_is_refused(project: Project) -> None:
    stage_incident_12(project)
    [line] = project("apply", "tick")["undo"]
    project.scheduler.jobs["tick"]["schedule"] = "0 * * * *"
    project(*line.split()[2:4], code=6)
    project("undo", "job-never", code=4)


def test_run_says_how_the_attempt_ended(project: Project) -> None:
    stage_incident_12(project)
    project("run", "tick", code=1)
    assert "UNAUTHENTICATED: HTTP 401" in project.err
    project("apply", "tick")
    assert project("run", "tick")["succeeded"] is True
    project.scheduler.answers[project.tick_url] = TIMEOUT
    project("run", "tick", code=1)
    assert project.findings("tick") == {"tick": ["deadline"]}
    assert "Did you mean 'tick'?" in project("run", "tik", code=4)["next"]


def test_a_pause_by_hand_is_left_alone_until_it_is_over(project: Project) -> None:
    project("apply")
    project("pause", "tick", "--reason", "a fault at Google", "--until", "2040-01-01")
    [job] = project("list", "tick")["jobs"]
    assert (job["state"], job["pause"]["reason"], job["findings"]) == ("paused", "a fault at Google", [])
    assert project("apply")["applied"] is False
    project("resume", "tick")
    assert "is over" in project("pause", "tick", "--reason", "a fault", "--until", "2020-01-01", code=2)["message"]
    project("pause", "tick", "--reason", "a fault at Google")
    with Container(load_settings({}, os.environ, project.folder), environ=os.environ) as app:
        app.documents.commit([Update("job_pauses/tick", {"until": "2020-01-01"})])
    assert project.findings("tick") == {"tick": ["paused"]}
    assert project("apply")["applied"] is True
    assert project.scheduler.jobs["tick"]["state"] == "ENABLED"


def test_import_declares_what_is_there_and_keeps_every_other_line(project: Project) -> None:
    stage_incident_12(project)
    put, url = project.scheduler.put, project.url
    token = {"serviceAccountEmail": project.account, "audience": f"{url}/scrape"}
    headers = {"headers": {"Content-Type": "application/json"}}
    put(
        "morning",
        schedule="30 7 * * 1-5",
        description="Every morning: injuries",
        attemptDeadline="600s",
        retryConfig={"retryCount": 2},
        httpTarget={
            "uri": f"{url}/scrape",
            "httpMethod": "POST",
            "body": "eyJhIjogMX0=",
            **headers,
            "oidcToken": token,
        },
    )
    project.scheduler.jobs["old-export"]["attemptDeadline"] = "321s"
    put("words", schedule="every 24 hours", attemptDeadline="600s")
    put("engine", appEngineHttpTarget={"relativeUri": "/"})
    file = project.folder / "workflows.yaml"
    before = file.read_text()
    planned = project("import", "--dry-run")
    assert file.read_text() == before
    done = project("import")
    after = file.read_text()
    assert planned["jobs"] == done["jobs"] == ["morning"]
    assert after.replace(done["text"], "") == before
    assert "# The pipeline's clock." in after
    reasons = {one["job"]: one["why"] for one in done["skipped"]}
    assert reasons["drift"] == "its topic projects/p/topics/x is not one of workflows.yaml"
    assert reasons["old-export"].startswith("its attempt deadline of 321s has no name")
    assert "five fields" in reasons["words"]
    assert "app_engine" in reasons["engine"]
    job = load_config(project.folder).workflows.jobs["morning"]
    assert (job.target.service, job.target.path, job.target.body) == ("nba-scrapers", "/scrape", {"a": 1})
    assert (job.account, job.retries) == ("scheduler@{project}.iam.gserviceaccount.com", 2)
    # It is declared as it is; the audience is still wrong, and the declaration says so.
    assert project.findings("morning") == {"morning": ["audience"]}
    assert [step["actions"] for step in project("diff", "morning")["jobs"]] == [[]]
    file.write_text(after.replace(f'    audience: "{url}/scrape"\n', ""))
    project("apply", "morning")
    assert project.findings("morning") == {}


def test_import_writes_a_first_section(project: Project) -> None:
    project.declare("")
    project.scheduler.put("tick", attemptDeadline="600s", httpTarget={"uri": f"{project.url}/x", "httpMethod": "PUT"})
    project("import")
    job = load_config(project.folder).workflows.jobs["tick"]
    assert (job.target.service, job.target.path, job.target.method, job.token) == ("nba-scrapers", "/x", "PUT", "none")


def test_doctor_names_what_is_wrong_and_the_command_that_mends_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    stage_incident_12(project)
    main(["doctor", "-o", "json"])
    found = json.loads(capsys.readouterr().out)["data"]["checks"]
    jobs = {one["message"]: one["fix"] for one in found if one["name"] == "jobs"}
    assert "heartbeat: paused since 2026-06-18, and nobody said why" in jobs
    assert jobs["heartbeat: paused since 2026-06-18, and nobody said why"].startswith("nbactl jobs resume heartbeat")
    assert any(message.startswith("tick: it sends an identity token (OIDC)") for message in jobs)


def test_a_rule_of_alerts_and_the_report_name_the_jobs(project: Project) -> None:
    stage_incident_12(project)
    sent: list[Alert] = []
    with Container(load_settings({}, os.environ, project.folder), environ=os.environ) as app:
        rules = make_alert_rules(app, lambda alert, _: sent.append(alert))
        judged = rules._judges["jobs"](app.config.workflows.alerts.rules["jobs"], rules._facts(app.clock.now()), ())
        wrong = make_report_sources(app).scheduled
        assert wrong is not None
        assert set(wrong()) == set(judged.findings) == {"tick", "heartbeat", "old-export", "summer", "drift"}
    assert judged.findings["heartbeat"] == "job heartbeat: paused since 2026-06-18, and nobody said why"


def test_inv_28_secrets_of_a_job_are_kept_by_the_job_alone(project: Project) -> None:
    stage_incident_12(project)
    secret = {"headers": {"X-Api-Key": "hunter2-hunter2"}}
    project.scheduler.jobs["tick"]["httpTarget"] |= secret
    [undo] = project("apply", "tick")["undo"]
    assert project.scheduler.jobs["tick"]["httpTarget"]["headers"]["X-Api-Key"] == "hunter2-hunter2"
    with Container(load_settings({}, os.environ, project.folder), environ=os.environ) as app:
        saved = [document.data for document in app.documents.query(Query("job_changes"))]
    assert "hunter2" not in repr(saved)
    project(*undo.split()[2:4])
    assert "oidcToken" in project.scheduler.jobs["tick"]["httpTarget"]
    assert project.scheduler.jobs["tick"]["httpTarget"]["headers"]["X-Api-Key"] == "hunter2-hunter2"
    assert "hunter2" not in json.dumps(project("list"))
