"""`nbactl services env set|diff` and `apply`: merged by name, shown, verified, undone; nothing is replaced."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.services.change.kit import ANALYTICS, WORKER, Project, undo_of, write_config

HUSH = "hush-hush"
CHANGE = ("env", "set", WORKER, "LOG_LEVEL=debug", "TRACE=1")


def test_inv_13_variables_are_merged_by_name_and_undone_byte_for_byte(project: Project) -> None:
    before = project.state()
    project.cloud.set_env(WORKER, OLD="x", LAST="y")
    with_old = project.state()
    data = project("env", "set", WORKER, "LOG_LEVEL=debug", "NEW=a=b,c", "--remove", "OLD", "--reason", "a look")
    assert [(each["variable"], each["before"], each["after"]) for each in data["changes"]] == [
        ("LOG_LEVEL", "info", "debug"),
        ("NEW", None, "a=b,c"),
        ("OLD", "x", None),
    ]
    plain = {"LOG_LEVEL": "debug", "PASSWORD": "hush-hush", "LAST": "y", "NEW": "a=b,c"}
    assert project.cloud.env(WORKER) == plain
    assert project.state(ANALYTICS)["template"]["containers"][0]["env"][0] == {"name": "LOG_LEVEL", "value": "info"}
    undone = project(*undo_of(data))
    assert project.state() == with_old != before
    assert "undone already" in project(*undo_of(data), code=2)["message"]
    project(*undo_of(undone))
    assert project.cloud.env(WORKER) == plain
    listed = project("changes", WORKER)["changes"]
    assert [each["state"] for each in listed] == ["done", "undone", "undone"]
    assert (listed[-1]["id"], listed[-1]["reason"]) == (data["id"], "a look")
    assert "a look" in project.text("changes")


def test_a_removed_variable_comes_back_to_its_place_among_those_that_came_since(project: Project) -> None:
    project.cloud.set_env(WORKER, A="1", B="2")
    data = project("env", "set", WORKER, "--remove", "A", "--remove", "LOG_LEVEL")
    project.cloud.set_env(WORKER, SINCE="3")
    project(*undo_of(data))
    names = [each["name"] for each in project.state()["template"]["containers"][0]["env"]]
    assert names == ["LOG_LEVEL", "API_KEY", "PASSWORD", "A", "B", "SINCE"]


def test_inv_13_a_dry_run_and_no_terminal_send_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = project.text(*CHANGE, "--dry-run")
    assert f"{WORKER}\n  ~ LOG_LEVEL = info becomes debug\n  + TRACE = 1\n" in shown
    monkeypatch.delenv("NBACTL_YES")
    message = project(*CHANGE, code=2)["message"]
    assert message.startswith("confirmation needed: Change 2 variables of 1 service on gcp (test-")
    assert not project.cloud.patches()
    assert not project.records()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((WORKER, "PORT=80"), 2, "Cloud Run sets it by itself"),
        ((WORKER, "SLACK_TOKEN=tok-12345"), 2, "SLACK_TOKEN looks like a secret"),
        ((WORKER, "NOTE=https://me:tok-12345@host"), 2, "NOTE looks like a secret"),
        ((WORKER, "--remove", "PASSWORD"), 2, "PASSWORD looks like a secret"),
        ((WORKER, "KEYS=1", "--remove", "KEYS"), 2, "both set and removed"),
        ((WORKER, "A=1", "A=2"), 2, "A: given with two values"),
        ((WORKER,), 2, "nothing is to be set"),
        ((WORKER, "oops"), 2, "not NAME=VALUE"),
        ((WORKER, "KEPT_ELSEWHERE=1"), 6, "comes from a secret"),
        ((WORKER, "DATABASE=1"), 6, "the value of DATABASE of prediction-worker looks like a secret"),
        (("billing", "A=1"), 6, "workflows.yaml does not name it"),
        (("prediction-worke", "A=1"), 4, "there is no service prediction-worke"),
        (("prediction-coordinator", "A=1"), 4, "there is no service prediction-coordinator"),
        ((WORKER, "DUAL_WRITE_MODE=false"), 6, "a combination that its readers refuse"),
    ],
)
def test_what_may_not_be_set_is_refused_and_nothing_is_sent(
    project: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    project.cloud.deploy("billing")
    project.cloud.set_env(WORKER, DATABASE="postgres://me:tok-12345@host", ENABLE_SUBCOLLECTION_COMPLETIONS="true")
    entries = project.cloud.services[WORKER]["template"]["containers"][0]["env"]
    next(each for each in entries if each["name"] == "API_KEY")["name"] = "KEPT_ELSEWHERE"
    answer = project("env", "set", *words, code=code)
    assert said in answer["message"] + (answer["cause"] or "")
    assert answer["next"]
    if words[0] == "prediction-worke":
        assert answer["next"] == f"Did you mean '{WORKER}'?"
    assert not project.cloud.patches()
    assert not [*project.records(), *project.documents("audit")]
    assert "tok-12345" not in project.out + project.err


def test_nothing_secret_is_shown_or_kept(project: Project) -> None:
    project(*CHANGE)
    project("undo", "last")
    write_config(project.folder, f"services:\n  {WORKER}: {{env: {{PASSWORD: better-one, LOG_LEVEL: warning}}}}\n")
    data = project("env", "diff", "--detailed-exitcode", code=3)
    assert [(one["variable"], one["declared"], one["deployed"]) for one in data["differences"]] == [
        ("LOG_LEVEL", "warning", "info"),
        ("PASSWORD", "***", "***"),
    ]
    shown = project.out + project.text("env", "diff")
    data = project("apply", code=3)
    assert [(each["variable"], each["after"]) for each in data["changes"]] == [("LOG_LEVEL", "warning")]
    assert [each["variable"] for each in data["refused"]] == ["PASSWORD"]
    shown += project.out + project.err + project.text("changes")
    kept = json.dumps([project.records(), project.documents("audit")], default=str)
    assert "hush" not in shown + kept
    assert "better-one" not in shown + kept
    assert project.cloud.env(WORKER)["PASSWORD"] == HUSH


def test_a_pinned_service_says_before_and_after_that_no_request_reaches_the_change(project: Project) -> None:
    pinned = project.cloud.pin(WORKER)
    assert f"pinned to {pinned}: the new revision will get 0 %." in project.text(*CHANGE, "--dry-run")
    data = project(*CHANGE, code=3)
    assert [(each["status"], each["traffic_percent"]) for each in data["services"]] == [("done", 0)]
    (warning,) = project.warnings
    assert f"nbactl services traffic {WORKER} --to-latest" in warning


def test_a_function_says_that_its_next_deployment_resets_the_change(project: Project) -> None:
    project.cloud.deploy(WORKER, function=True)
    project("env", "set", WORKER, "A=1")
    (warning,) = project.warnings
    assert f"managed by the Cloud Function {WORKER}: its next deployment resets this change" in warning


def test_env_diff_compares_what_is_declared_and_apply_brings_it(project: Project) -> None:
    before = project.state(ANALYTICS)
    data = project("env", "diff")
    assert data["differences"] == [
        {
            "service": ANALYTICS,
            "variable": "REGION_OF_DATA",
            "declared": "us-west2",
            "deployed": None,
            "obstacle": None,
        }
    ]
    data = project("apply")
    assert [(each["service"], each.get("variable") or each["setting"], each["after"]) for each in data["changes"]] == [
        (ANALYTICS, "REGION_OF_DATA", "us-west2"),
        (ANALYTICS, "min_instances", 1.0),
    ]
    assert "All 3 declared variables of 2 services are as declared." in project.text("env", "diff")
    assert project("apply")["changes"] == []
    project(*undo_of(data))
    assert project.state(ANALYTICS) == before
    write_config(project.folder, "services: {}\n")
    assert "nothing was compared" in project("env", "diff", code=4)["message"]
    assert "nothing was looked at" in project("apply", code=4)["message"]
    project.cloud.deploy("billing")
    assert project("env", "diff", "billing", code=4)["message"] == "billing is not declared in workflows.yaml"


def test_incident_8_variables_that_a_deployment_replaced_are_found_and_brought_back(project: Project) -> None:
    project.cloud.set_env(WORKER, PROJECT="nba", TOPIC="ready")
    old = project.cloud.services[WORKER]["latestReadyRevision"].rpartition("/")[2]
    (container,) = project.cloud.services[WORKER]["template"]["containers"]
    project.cloud.redeploy(WORKER, containers=[{**container, "env": [{"name": "LOG_LEVEL", "value": "debug"}]}])
    problems = project("diff")["problems"]
    assert [one["kind"] for one in problems if one["service"] == WORKER][:1] == ["lost"]
    before = project.state()
    data = project("env", "set", WORKER, "--from", old, code=3)
    assert [(each["variable"], each["after"]) for each in data["changes"]] == [("PROJECT", "nba"), ("TOPIC", "ready")]
    assert [each["variable"] for each in data["refused"]] == ["PASSWORD", "API_KEY"]
    assert project.cloud.env(WORKER) == {"LOG_LEVEL": "debug", "PROJECT": "nba", "TOPIC": "ready"}
    assert "hush" not in project.out + project.err
    project(*undo_of(data))
    assert project.state() == before
    assert "has no revision" in project("env", "set", WORKER, "--from", f"{old}x", code=4)["message"]
