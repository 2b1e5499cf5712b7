"""What goes over the wire to Cloud Run, and what becomes of its refusals, delays and lost answers."""

from __future__ import annotations

import copy
import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.cloudrun.region import Region
from nbactl.errors import (
    DataError,
    DeployFailedError,
    NotAuthorisedError,
    PreconditionError,
    StillRunningError,
    TimedOutError,
    UnavailableError,
)
from nbactl.ports.services import ServiceEdit
from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import PARENT, CloudRun

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.ports.services import DeployedService
    from nbactl.testing import FakeClock

NAME = "nba-scrapers"


def merge(services: CloudRunServices, **changes: str | None) -> DeployedService:
    return services.change(NAME, ServiceEdit(changes), expected_version=services.get(NAME).version)


def without_env(template: dict[str, Any]) -> dict[str, Any]:
    rest = copy.deepcopy(template)
    rest.pop("revision", None)
    for container in rest["containers"]:
        container.pop("env")
    return rest


def test_inv_13_secrets_and_settings_stay_as_they_were_even_those_nobody_knows(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1", "B": "2"})
    before = copy.deepcopy(server.services[NAME])
    merge(services, A="9", C="3")
    after = server.services[NAME]
    assert without_env(after["template"]) == without_env(before["template"])
    env = [each for each in before["template"]["containers"][0]["env"] if each["name"] != "A"]
    changed = after["template"]["containers"][0]["env"]
    assert [each for each in changed if each["name"] not in ("A", "C")] == env
    assert [each["name"] for each in changed] == ["A", "API_KEY", "B", "C"]
    untouched = ("labels", "client", "ingress", "launchStage", "traffic", "uri", "settingNobodyKnows")
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}


def test_inv_13_the_update_names_its_part_sends_the_etag_and_no_revision(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    before = services.get(NAME)
    merge(services, A="2")
    (patch,) = server.patches()
    assert patch.parameters == {"updateMask": "template"}
    assert set(patch.body) == {"name", "etag", "template"}
    assert (patch.body["name"], patch.body["etag"]) == (f"{PARENT}/services/{NAME}", before.version)
    assert "revision" not in patch.body["template"]


def test_inv_13_a_change_between_reading_and_writing_is_refused_and_stands(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.before_patch = lambda name: server.set_env(name, A="theirs")
    with pytest.raises(PreconditionError, match="in the meantime") as refused:
        merge(services, A="ours")
    assert refused.value.exit_code == 6
    assert "Conflict for resource" in (refused.value.cause or "")
    assert server.env(NAME) == {"A": "theirs"}
    assert len(server.patches()) == 1, "it is not tried again over what somebody else did"


def test_inv_13_what_is_there_after_the_change_is_looked_at(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, {"A": "1", "B": "1"})

    def meddle(name: str, value: str) -> None:
        finish = server._finish

        def done(service: str) -> str | None:
            told = finish(service)
            server._finish = finish  # type: ignore[method-assign]
            server.set_env(service, **{name: value})
            return told

        server._finish = done  # type: ignore[method-assign]

    meddle("A", "theirs")
    with pytest.raises(PreconditionError, match="in the meantime") as refused:
        merge(services, A="2")
    assert refused.value.cause == "Not as wanted: A. Someone deployed it right after this change."
    meddle("B", "theirs")
    with pytest.raises(PreconditionError, match="in the meantime") as refused:
        merge(services, A="3")
    assert refused.value.cause is not None
    assert refused.value.cause.startswith("Variables that this change does not name are different.")


def test_a_slow_revision_is_waited_for(server: CloudRun, services: CloudRunServices, clock: FakeClock) -> None:
    server.deploy(NAME, {"A": "1"})
    server.polls = 12
    assert merge(services, A="2").latest_ready_revision == f"{NAME}-00002-gen"
    assert clock.sleeps == [2.0] * 12


def test_a_revision_that_is_not_ready_in_time_goes_on_and_it_says_how_to_look(
    server: CloudRun, services: CloudRunServices, clock: FakeClock
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.polls = 1000
    with pytest.raises(StillRunningError) as running:
        merge(services, A="2")
    assert running.value.exit_code == 8
    assert running.value.message == f"the new revision of {NAME} is not ready after 1m00s"
    assert running.value.next_step is not None
    assert running.value.next_step.startswith(f"gcloud run services describe {NAME} --region us-west2 --project ")
    assert clock.monotonic() == 60.0
    assert server.env(NAME) == {"A": "2"}


def test_while_the_api_is_away_a_change_that_was_taken_is_still_waited_for(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    version = services.get(NAME).version
    server.fail("GET", *[503] * 4, service="/operations/")
    assert services.change(NAME, ServiceEdit({"A": "2"}), expected_version=version).env == {"A": "2"}


def test_an_operation_that_is_forgotten_is_looked_for_at_the_service(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.polls = 5
    handle = server.handle

    def forget(request: Any, fault: Any) -> dict[str, Any]:
        if "/operations/" in request.path:
            server._finish(NAME)
            server.operations.clear()
        return handle(request, fault)

    server.handle = forget  # type: ignore[method-assign]
    assert merge(services, A="2").latest_ready_revision == f"{NAME}-00002-gen"


def test_a_revision_that_does_not_start_says_why_and_the_old_one_serves_on(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    with pytest.raises(DeployFailedError, match="the previous one keeps serving") as failed:
        merge(services, A="crash")
    assert failed.value.exit_code == 1
    assert "failed to start and listen on the port" in (failed.value.cause or "")
    assert failed.value.next_step == f"See why: nbactl services logs {NAME}"
    found = services.get(NAME)
    assert found.latest_ready_revision == f"{NAME}-00001-abc"
    assert found.latest_created_revision == f"{NAME}-00002-gen"
    assert "failed to start" in (found.problem or "")
    assert merge(services, A="1").problem is None


@pytest.mark.parametrize(("percent", "share"), [(100, 0), (75, 25)])
def test_a_service_whose_requests_go_to_an_old_revision_is_reported_as_such(
    server: CloudRun, services: CloudRunServices, percent: int, share: int
) -> None:
    server.deploy(NAME, {"A": "1"})
    pinned = server.pin(NAME, percent)
    after = merge(services, A="2")
    assert (after.latest_share, after.pinned_to) == (share, [pinned])
    assert server.services[NAME]["traffic"][0]["revision"] == pinned, "traffic is not ours to move"


def test_a_refusal_for_another_reason_says_it(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, {"A": "1"})
    server.fail("PATCH", 400)
    with pytest.raises(DataError, match="Cloud Run refused it") as refused:
        merge(services, A="2")
    assert refused.value.cause == "Cloud Run says: the server was told to fail (400 INVALID_ARGUMENT)"


def test_a_server_that_is_away_is_unavailable(clock: FakeClock) -> None:
    with (
        closing(client("127.0.0.1:9", clock=clock)) as services,
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"),
    ):
        services.list()


def test_inv_18_a_server_that_accepts_and_says_nothing_is_not_waited_for(clock: FakeClock) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, closing(client(f"127.0.0.1:{silent.getsockname()[1]}", clock=clock)) as services:
        services._api._limits = (5.0, 0.05)
        with pytest.raises(TimedOutError, match="did not answer in time"):
            services.get(NAME)


def test_variables_are_those_of_the_container_with_the_port_and_a_sidecar_is_left_alone(
    server: CloudRun, services: CloudRunServices
) -> None:
    sidecar = {"name": "metrics", "image": "collector", "env": [{"name": "A", "value": "sidecar"}]}
    main = {"name": "app", "image": "app", "ports": [{"containerPort": 8080}], "env": [{"name": "A", "value": "main"}]}
    server.deploy(NAME, containers=[sidecar, main])
    assert services.get(NAME).env == {"A": "main"}
    assert merge(services, A="new").env == {"A": "new"}
    assert server.services[NAME]["template"]["containers"][0] == sidecar
    del main["ports"]
    server.deploy(NAME, containers=[sidecar, main])
    found = services.get(NAME)
    assert (found.env, found.unreadable) == (
        {},
        f"it is not clear which container of {NAME} takes its requests",
    )
    with pytest.raises(DataError, match="which container"):
        merge(services, A="2")


def test_a_container_without_variables_gets_its_first(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, containers=[{"image": "app"}])
    assert services.get(NAME).env == {}
    assert merge(services, A="1").env == {"A": "1"}
    assert merge(services, A=None).env == {}


def test_calls_carry_the_token_of_the_credentials_and_fetch_a_new_one_when_it_is_refused(
    server: CloudRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = {"type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "key.json").write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"http://{server.address}/token")
    monkeypatch.setattr(Region, "url", property(lambda _: f"http://{server.address}"))
    server.deploy(NAME, {"A": "1"})
    with closing(client(None)) as services:
        assert services.get(NAME).env == {"A": "1"}
        first = server.requests[-1].authorization
        assert first == f"Bearer {server.token}"
        server.token = "revoked"  # noqa: S105
        assert services.get(NAME).env == {"A": "1"}
        assert server.requests[-1].authorization not in (first, "")


def test_without_credentials_it_says_how_to_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with closing(client(None)) as services, pytest.raises(NotAuthorisedError) as refused:
        services.list()
    assert "gcloud auth application-default login" in (refused.value.next_step or "")
