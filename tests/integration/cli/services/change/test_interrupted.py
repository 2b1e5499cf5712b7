"""Changes of services that are killed, meet another operator, take too long, or succeed in part."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.cli.services.change.values.command import EnvSetRequest, set_variables
from nbactl.ports.documents import Set
from nbactl.testing.clock import FakeClock
from tests.integration.cli.services.change.kit import ANALYTICS, WORKER, Project, undo_of, write_config

SET = ("env", "set", WORKER, "LOG_LEVEL=debug")


@pytest.mark.parametrize("instant", ["service_env.saved", "cloudrun.sent", "service_env.applied"])
def test_inv_20_a_killed_change_is_finished_by_the_same_command_under_the_id_it_had(
    project: Project, instant: str
) -> None:
    before = project.state()
    project.kill(instant, *SET)
    data = project(*SET)
    assert project.cloud.env(WORKER)["LOG_LEVEL"] == "debug"
    (record,) = project.records()
    assert (record["id"], record["finished_at"] is not None) == (data["id"], True)
    assert project(*SET)["id"] is None
    assert project.warnings == []
    project(*undo_of(data))
    assert project.state() == before


@pytest.mark.parametrize("instant", ["service_env.saved", "cloudrun.sent", "service_env.applied"])
def test_inv_20_a_killed_rollback_given_again_does_not_go_back_twice(project: Project, instant: str) -> None:
    project.cloud.redeploy(WORKER)
    to = project.cloud.services[WORKER]["latestReadyRevision"].rpartition("/")[2]
    project.cloud.redeploy(WORKER)
    before = project.state()
    project.kill(instant, "rollback", WORKER)
    data = project("rollback", WORKER)
    assert [share["revision"] for share in project.state()["traffic"]] == [to]
    (record,) = project.records()
    assert (record["id"], record["finished_at"] is not None) == (data["id"], True)
    project(*undo_of(data))
    assert project.state() == before


def test_inv_20_a_killed_undo_is_finished_by_the_same_command(project: Project) -> None:
    before = project.state()
    data = project("scale", WORKER, "--max-instances", "7")
    project.kill("cloudrun.sent", *undo_of(data))
    project(*undo_of(data))
    assert project.state() == before


def test_a_change_that_an_earlier_version_saved_is_undone(project: Project) -> None:
    before = project.state()
    project.cloud.set_env(WORKER, LOG_LEVEL="debug", TRACE="1")
    names = {"LOG_LEVEL": "info", "TRACE": None}
    fields = {
        "id": "env-01kb2f7m4q8x2v0c",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "by": "me@host",
        "reason": None,
        "place": f"{project.env['NBACTL_PROJECT']}/us-west2",
        "undoes": None,
        "undone_by": None,
        "services": [
            {"service": WORKER, "before": names, "after": {"LOG_LEVEL": "debug", "TRACE": "1"}, "outcome": "done"}
        ],
        "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    with project.app(FakeClock(datetime.now(UTC))) as app:
        app.documents.commit([Set("service_env_changes/env-01kb2f7m4q8x2v0c", fields)])
    project("undo", "last")
    assert project.cloud.env(WORKER) == {"LOG_LEVEL": "info", "PASSWORD": "hush-hush"}
    assert sorted(map(str, project.state()["template"]["containers"][0]["env"])) == sorted(
        map(str, before["template"]["containers"][0]["env"])
    )


def test_a_killed_change_of_another_command_is_named_and_left_alone(project: Project) -> None:
    project.kill("service_env.saved", *SET)
    project("env", "set", WORKER, "OTHER=1")
    (warning,) = project.warnings
    first, second = project.records()
    assert f"the change {first['id']} by " in warning
    assert "was not finished, or is still running" in warning
    assert (first["finished_at"], second["finished_at"] is not None) == (None, True)


def test_inv_13_of_two_operators_one_wins_and_the_other_learns_who_and_what(project: Project) -> None:
    def deploy(service: str) -> None:
        project.cloud.before_patch = lambda _: None
        project.cloud.set_env(service, LOG_LEVEL="error", TRACE="1")

    earlier = project("scale", WORKER, "--max-instances", "30")
    project.cloud.before_patch = deploy
    data = project(*SET, code=6)
    (service,) = data["services"]
    assert service["status"] == "precondition"
    assert "by someone@example.com at 2026-01-15" in service["error"]["cause"]
    assert service["error"]["cause"].endswith("since it was read: LOG_LEVEL, TRACE.")
    assert "nbactl services show prediction-worker" in service["error"]["next"]
    assert project.cloud.env(WORKER)["LOG_LEVEL"] == "error"
    answer = project("undo", data["id"], code=6)
    assert "was changed since" in answer["services"][0]["error"]["message"]
    assert project.cloud.env(WORKER)["LOG_LEVEL"] == "error", "what the other one set is not overwritten"
    project("undo", "last")
    first, *_, last = project.records()
    assert (first["id"], first["undone_by"]) == (earlier["id"], last["id"])


def test_traffic_that_someone_moved_meanwhile_is_not_overwritten(project: Project) -> None:
    old = project.cloud.pin(WORKER)

    def pin(service: str) -> None:
        project.cloud._touch(service, "someone@example.com")
        project.cloud.pin(service, 50)

    project.cloud.before_patch = pin
    error = project("traffic", WORKER, "--to-latest", code=6)["services"][0]["error"]
    assert error["cause"].endswith("the traffic.")
    assert project.state()["traffic"][0] == {
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": old,
        "percent": 50,
    }


def test_a_revision_that_does_not_start_leaves_the_old_one_and_says_how_to_go_back(project: Project) -> None:
    before = project.state()
    data = project("env", "set", WORKER, "CRASH=yes", code=1)
    assert data["services"][0]["status"] == "deploy_failed"
    assert f"undo: nbactl services undo {data['id']}" in project.err
    again = project("env", "set", WORKER, "CRASH=yes", code=1)
    assert "has the values that are wanted, and its new revision does not start" in project.err
    assert again["changes"] == []
    project(*undo_of(data))
    assert project.state() == before


def test_a_slow_platform_ends_with_8_and_the_same_command_looks_again(project: Project) -> None:
    write_config(project.folder, **{"service.poll": "1m"})
    project.cloud.polls = 10_000
    request = EnvSetRequest(WORKER, {"LOG_LEVEL": "debug"})
    with project.app(FakeClock(datetime.now(UTC))) as app:
        result = set_variables(app, request).result
        assert (result.exit_code, result.outcomes[0].error and result.outcomes[0].error.code) == (8, "still_running")
    assert project(*SET, code=8)["changes"] == []
    assert "is not ready yet" in project.err
    project.cloud._finish(WORKER)
    assert project(*SET)["changes"] == []
    assert len(project.cloud.patches()) == len(project.records()) == 1


def test_a_failure_of_one_service_does_not_keep_the_others_from_theirs(project: Project) -> None:
    project.cloud.set_env(WORKER, LOG_LEVEL="debug")
    project.cloud.forbidden = {WORKER}
    data = project("apply", code=5)
    assert {each["service"]: each["status"] for each in data["services"]} == {
        WORKER: "not_authorised",
        ANALYTICS: "done",
    }
    assert {each["outcome"] for each in project.records()[0]["services"]} == {"not_authorised", "done"}
    project.cloud.forbidden = set()
    assert [each["service"] for each in project("apply")["changes"]] == [WORKER]
    assert project("apply")["changes"] == []


def test_a_quota_that_is_used_up_is_waited_for_and_then_told(project: Project) -> None:
    project.cloud.exhaust_quota("PATCH", retry_after="0")
    assert project(*SET)["services"][0]["status"] == "done"
    project.cloud.exhaust_quota("PATCH", times=99, retry_after="0")
    data = project("env", "set", WORKER, "LOG_LEVEL=info", code=7)
    assert data["services"][0]["status"] == "unavailable"
    assert project.cloud.env(WORKER)["LOG_LEVEL"] == "debug"


def test_inv_19_while_the_store_is_down_a_change_is_kept_in_a_file_and_undone_from_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.state()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    data = project(*SET)
    assert any("kept in a file of this machine" in warning for warning in project.warnings)
    (file,) = (project.folder / ".nbactl" / "service_env_changes").glob("*.json")
    assert file.stem == data["id"]
    project(*undo_of(data))
    assert project.state() == before
