"""`nbactl jobs` on gcp, where not all can be made as it should be: what is left alone, half done, secret or broken."""

from __future__ import annotations

import base64
import copy
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.ports.documents import Query
from tests.integration.cli.jobs.conftest import ACCOUNT, DECLARED

if TYPE_CHECKING:
    from tests.integration.cli.jobs.conftest import Project

ELSEWHERE = f"""  export:
    schedule: "0 6 * * *"
    target: {{service: prediction-worker, path: /export}}
    account: "{ACCOUNT}"
"""


def documents(project: Project, collection: str) -> list[dict[str, Any]]:
    with Container(load_settings({}, os.environ, project.folder), environ=os.environ) as app:
        return [dict(document.data) for document in app.documents.query(Query(collection))]


def test_a_job_that_cannot_be_made_differs_and_is_left_alone(project: Project) -> None:
    project.declare(DECLARED + ELSEWHERE)  # prediction-worker is declared and not deployed
    pending = project("diff", "export", "--detailed-exitcode", code=3)
    assert [(job["blocked"], job["note"]) for job in pending["jobs"]] == [
        (True, "the address of prediction-worker is not known: it is not deployed")
    ]
    assert "1 job differs" in project.err
    done = project("apply", code=3)
    assert "1 job left alone: export" in project.err
    assert done["applied"] is True
    assert set(project.scheduler.jobs) == {"tick", "heartbeat", "summer"}
    project("apply", code=3)  # also when there is nothing else to do


def test_a_job_that_is_not_declared_is_not_applied(project: Project) -> None:
    project.scheduler.put("old-export", httpTarget={"uri": "http://127.0.0.1:9/export", "httpMethod": "POST"})
    assert "jobs import" in project("apply", "old-export", code=6)["next"]
    [job] = project("list", "old-export")["jobs"]
    assert [finding["mend"].split("jobs ")[1].split()[0] for finding in job["findings"]] == ["import"]


SECRETS: dict[str, dict[str, Any]] = {
    "topic": {
        "description": "password=hunter2-d",
        "pubsubTarget": {
            "topicName": "projects/p/topics/x",
            "data": base64.b64encode(b'{"credential": "hunter2-b", "n": 1}').decode(),
            "attributes": {"api_key": "hunter2-a", "season": "2025"},
        },
    },
    "request": {
        "httpTarget": {
            "uri": "http://127.0.0.1:9/x?token=hunter2-u",
            "httpMethod": "POST",
            "headers": {"X-Api-Key": "hunter2-h"},
            "body": base64.b64encode(b'{"credential": "hunter2-b"}').decode(),
        }
    },
}


@pytest.mark.parametrize("kind", SECRETS)
def test_inv_28_no_secret_of_a_job_is_kept_or_imported_and_undo_has_it_again(project: Project, kind: str) -> None:
    project.scheduler.put("paid", attemptDeadline="600s", **copy.deepcopy(SECRETS[kind]))
    before = project.forms()["paid"]
    [undo] = project("pause", "paid", "--reason", "a look")["undo"]
    saved = documents(project, "job_changes")
    bodies = [base64.b64decode(form["spec"]["body"]) for one in saved for form in (one["before"], one["after"])]
    assert "hunter2" not in f"{saved} {bodies}"
    project(*undo.split()[2:4])
    assert project.forms()["paid"] == before
    imported = project("import", "--dry-run")
    assert "hunter2" not in json.dumps(imported)
    assert [(one["job"], one["why"].startswith("it has a secret")) for one in imported["skipped"]] == [("paid", True)]
    # A deletion could not be undone.
    pruned = project("apply", "paid", "--prune", code=3)
    assert [job["blocked"] for job in pruned["jobs"]] == [True]
    assert project.forms()["paid"] == before


def test_what_was_imported_is_as_it_is_there(project: Project) -> None:
    project.cloud.deploy("team-x")  # which workflows.yaml does not name
    project("apply")
    token = {"serviceAccountEmail": project.account}
    url = "https://team-x-xyz-wl.a.run.app"
    targets: dict[str, dict[str, Any]] = {
        "theirs": {"uri": f"{url}/a", "oidcToken": {**token, "audience": url}},
        "theirs-bare": {"uri": f"{url}/a"},
        "ours": {"uri": f"{project.url}/a", "oidcToken": {**token, "audience": project.url}},
        "google": {"uri": project.tick_url, "oauthToken": {**token, "scope": "https://www.googleapis.com/auth/x"}},
        "elsewhere": {"uri": "https://example.invalid/x?a=b", "oidcToken": {**token, "audience": "me"}},
        "123": {"uri": "https://example.invalid/x"},
        "null": {"uri": "https://example.invalid/x"},
    }
    for name, target in targets.items():
        project.scheduler.put(name, attemptDeadline="600s", httpTarget={"httpMethod": "POST", **target})
    for name, zone in (("on-mars", "Mars/Phobos"), ("no-account", "UTC")):
        target = {"uri": f"{url}/a", "httpMethod": "POST", "oidcToken": {"audience": url}}
        project.scheduler.put(name, attemptDeadline="600s", timeZone=zone, httpTarget=target)
    file = project.folder / "workflows.yaml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    before = file.read_bytes()
    done = project("import")
    assert done["jobs"] == sorted(targets)
    assert {one["job"] for one in done["skipped"]} == {"no-account", "on-mars"}
    lines = file.read_bytes().splitlines(keepends=True)
    assert b"".join(line for line in lines if line.endswith(b"\r\n")) == before
    assert project("diff", *targets, "--detailed-exitcode")["pending"] == 0


def test_prune_leaves_alone_what_nbactl_cannot_make_again(project: Project) -> None:
    project.scheduler.put("engine", appEngineHttpTarget={"relativeUri": "/"})
    project("apply", "engine", "--prune", code=3)
    assert "engine" in project.scheduler.jobs


def test_a_job_whose_update_failed_is_updated_again(project: Project) -> None:
    project("apply")
    project.scheduler.jobs["tick"]["state"] = "UPDATE_FAILED"
    assert project.findings("tick") == {"tick": ["disabled"]}
    assert "jobs apply tick" in project("resume", "tick", code=6)["next"]
    assert [job["actions"] for job in project("diff", "tick")["jobs"]] == [["update"]]
    project("apply", "tick")
    assert project.findings("tick") == {}
    project.scheduler.jobs["tick"]["state"] = "DISABLED"  # an update does not help
    project("apply", "tick", code=6)
    assert "Delete it" in project.err


def test_a_pause_of_somebody_else_gets_its_reason(project: Project) -> None:
    project("apply")
    project.scheduler.jobs["tick"]["state"] = "PAUSED"
    assert project.findings("tick") == {"tick": ["paused"]}
    project("pause", "tick", "--reason", "a fault at Google")
    assert project.findings("tick") == {}
    [tick] = project("list", "tick")["jobs"]
    assert tick["pause"]["reason"] == "a fault at Google"


def test_a_pause_that_is_refused_leaves_no_reason(project: Project) -> None:
    project("apply")
    project.scheduler.denied = {"cloudscheduler.jobs.pause"}
    project("pause", "tick", "--reason", "a fault at Google", code=5)
    assert "Cloud Scheduler says: The principal" in project.err  # without the address that was asked
    assert documents(project, "job_pauses") == []


def test_what_was_done_before_an_error_has_its_undo(project: Project) -> None:
    project.scheduler.denied = {"cloudscheduler.jobs.pause"}
    failed = project("apply", "summer", code=5)
    assert project.scheduler.jobs["summer"]["state"] == "ENABLED"
    [undo] = failed["undo"]
    project.scheduler.denied = set()
    # Given again, the change is finished under its id.
    assert project("apply", "summer")["undo"] == [undo]
    project("undo", "last")
    assert "summer" not in project.scheduler.jobs
    project.scheduler.denied = {"cloudscheduler.jobs.create"}
    assert project("apply", "summer", code=5)["undo"] == []  # nothing was done


def test_undo_last_goes_back_change_by_change(project: Project) -> None:
    project("apply", "tick")
    project("pause", "tick", "--reason", "a look")
    project("undo", "last")
    assert project.scheduler.jobs["tick"]["state"] == "ENABLED"
    project("undo", "last")
    assert project.scheduler.jobs == {}
    project("undo", "last", code=4)


def test_an_address_that_cannot_be_read_is_a_finding_of_its_job_alone(project: Project) -> None:
    project("apply")
    for name, url in (("bracket", "http://[bad/x"), ("label", "http://a..b/x")):
        project.scheduler.put(name, attemptDeadline="600s", httpTarget={"uri": url, "httpMethod": "GET"})
    assert project.findings() == {"bracket": ["dead"], "label": ["dead"]}
    project("import", "--dry-run")


def test_a_difference_shows_no_secret(project: Project) -> None:
    project.declare(DECLARED)
    project("apply")
    secret = base64.b64encode(b'{"credential": "hunter2"}').decode()
    project.scheduler.jobs["tick"]["httpTarget"]["body"] = secret
    shown = project("diff", "tick")["jobs"]
    assert [one["key"] for one in shown[0]["differences"]] == ["body"]
    assert "hunter2" not in str(shown)
    planned = project("apply", "tick", "--dry-run")["jobs"]
    assert planned[0]["note"] == "it loses a secret, which undo cannot bring back"


def test_a_run_whose_answer_is_lost_is_not_to_be_repeated_blindly(project: Project) -> None:
    project("apply", "tick")
    project.scheduler.faults = [("POST", 0, True)]
    assert "It may run all the same" in project("run", "tick", code=7)["next"]
    assert project.scheduler.ran == ["tick"]
