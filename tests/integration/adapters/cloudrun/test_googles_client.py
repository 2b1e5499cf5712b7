"""Google's own client against the loopback server: what it says is what the real one says, and why it is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.cloud_run_server import PARENT, CloudRun, cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

run_v2 = pytest.importorskip("google.cloud.run_v2")
NAME = f"{PARENT}/services/nba-scrapers"


@pytest.fixture
def server() -> Iterator[CloudRun]:
    with cloud_run_server() as server:
        yield server


@pytest.fixture
def google(server: CloudRun) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.run_v2.services.services.transports import ServicesRestTransport

    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    transport = ServicesRestTransport(host=server.address, url_scheme="http", credentials=credentials)
    return run_v2.ServicesClient(transport=transport)


def test_googles_client_reads_the_servers_services_page_by_page(server: CloudRun, google: Any) -> None:
    for name in ("a", "b", "nba-scrapers"):
        server.deploy(name, {"A": "1"})
    assert [each.name.rpartition("/")[2] for each in google.list_services(parent=PARENT)] == ["a", "b", "nba-scrapers"]
    service = google.get_service(name=NAME)
    assert [(each.name, each.value) for each in service.template.containers[0].env] == [("A", "1"), ("API_KEY", "")]
    assert service.template.containers[0].env[1].value_source.secret_key_ref.secret == "nba-api-key"  # noqa: S105
    assert service.terminal_condition.state.name == "CONDITION_SUCCEEDED"
    assert service.latest_ready_revision == service.latest_created_revision
    assert service.traffic_statuses[0].percent == 100
    assert service.etag == server.services["nba-scrapers"]["etag"]


def test_googles_client_updates_through_the_server_and_loses_the_settings_it_does_not_know(
    server: CloudRun, google: Any
) -> None:
    server.deploy("nba-scrapers", {"A": "1"})
    server.polls = 0
    service = google.get_service(name=NAME)
    service.template.revision = ""
    service.template.containers[0].env[0].value = "2"
    google.update_service(request={"service": service, "update_mask": {"paths": ["template"]}})
    template = server.services["nba-scrapers"]["template"]
    assert server.env("nba-scrapers") == {"A": "2"}
    assert "futureSwitch" not in template, "it is kept now: the adapter could use Google's client"
    assert "settingOfTomorrow" not in template["containers"][0]


def test_the_server_refuses_a_revision_name_that_is_taken(server: CloudRun, google: Any) -> None:
    from google.api_core.exceptions import Conflict

    server.deploy("nba-scrapers", {"A": "1"})
    service = google.get_service(name=NAME)
    service.template.containers[0].env[0].value = "2"
    with pytest.raises(Conflict, match="with different configuration already exists"):
        google.update_service(request={"service": service, "update_mask": {"paths": ["template"]}})
