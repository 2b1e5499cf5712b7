"""Google's own client against the loopback server: what it says is what the real one says, and why it is not used."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.cloud_run_server import PARENT, PINNED, CloudRun

run_v2 = pytest.importorskip("google.cloud.run_v2")
NAME = f"{PARENT}/services/nba-scrapers"


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


def test_googles_client_reads_the_fields_that_this_project_reads(server: CloudRun, google: Any) -> None:
    raw = server.deploy("nba-scrapers", function=True)
    raw["scaling"] = {"minInstanceCount": 2, "scalingMode": "AUTOMATIC"}
    raw["traffic"].append({"type": PINNED, "revision": "nba-scrapers-00001-abc", "tag": "debug"})
    server._finish("nba-scrapers")
    service = google.get_service(name=NAME)
    assert service.scaling.min_instance_count == 2
    assert service.scaling.scaling_mode.name == "AUTOMATIC"
    template = service.template
    assert (template.scaling.max_instance_count, template.max_instance_request_concurrency) == (20, 1)
    assert template.timeout.total_seconds() == 540
    assert template.service_account == "runner@nba-props-platform.iam.gserviceaccount.com"
    assert (service.last_modifier, service.client) == (raw["lastModifier"], "cloudfunctions")
    assert service.update_time.isoformat() == "2026-01-15T12:01:00.000001+00:00"
    assert service.labels["goog-managed-by"] == "cloudfunctions"
    assert service.build_config.function_target == "main"
    assert [(share.revision, share.percent, share.tag) for share in service.traffic_statuses] == [
        ("", 100, ""),
        ("nba-scrapers-00001-abc", 0, "debug"),
    ]


def test_googles_client_reads_revisions(server: CloudRun) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.run_v2.services.revisions.transports import RevisionsRestTransport

    server.deploy("nba-scrapers", {"A": "1"})
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    transport = RevisionsRestTransport(host=server.address, url_scheme="http", credentials=credentials)
    (revision,) = run_v2.RevisionsClient(transport=transport).list_revisions(parent=NAME)
    assert revision.name == f"{NAME}/revisions/nba-scrapers-00001-abc"
    assert [(each.type_, each.state.name) for each in revision.conditions] == [("Ready", "CONDITION_SUCCEEDED")]
    assert (revision.scaling.max_instance_count, revision.max_instance_request_concurrency) == (20, 1)
    assert revision.timeout.total_seconds() == 540
    assert revision.creator == "deployer@nba-props-platform.iam.gserviceaccount.com"
    assert revision.create_time.isoformat() == "2026-01-15T12:01:00.000001+00:00"
    assert [each.name for each in revision.containers[0].env] == ["A", "API_KEY"]


def test_googles_client_moves_traffic_and_sets_instances_of_the_service(server: CloudRun, google: Any) -> None:
    raw = server.deploy("nba-scrapers")
    server.redeploy("nba-scrapers", timeout="60s")
    server.polls = 0
    service = google.get_service(name=NAME)
    target = run_v2.TrafficTarget(type_=PINNED, revision="nba-scrapers-00001-abc", percent=100)
    service.traffic = [target]
    service.scaling.min_instance_count = 3
    google.update_service(request={"service": service, "update_mask": {"paths": ["traffic"]}})
    assert "scaling" not in raw, "not in the mask"
    service = google.get_service(name=NAME)
    assert [(each.revision, each.percent) for each in service.traffic_statuses] == [("nba-scrapers-00001-abc", 100)]
    service.scaling.min_instance_count = 3
    google.update_service(request={"service": service, "update_mask": {"paths": ["scaling"]}})
    assert raw["scaling"] == {"minInstanceCount": 3}


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
