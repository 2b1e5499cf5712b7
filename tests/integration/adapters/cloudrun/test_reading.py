"""What is read of services and revisions, and with how many calls."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.cloudrun.regions import RegionalServices
from nbactl.ports.services import Traffic
from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import LATEST, PINNED, CloudRun, cloud_run_server

if TYPE_CHECKING:
    from nbactl.adapters.cloudrun.services import CloudRunServices

NAME = "nba-scrapers"


def test_everything_of_a_service_is_read(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, {"A": "1", "B": "2"}, scaling={"minInstanceCount": 1, "maxInstanceCount": 20})
    found = services.get(NAME)
    assert (found.name, found.region) == (NAME, "us-west2")
    assert found.url == f"https://{NAME}-xyz-wl.a.run.app"
    assert found.image == f"us-docker.pkg.dev/nba-props-platform/nba/{NAME}:7"
    assert found.settings == {"min_instances": 1, "max_instances": 20, "concurrency": 1, "timeout": 540.0}
    assert found.env_order == ("A", "API_KEY", "B")
    assert found.service_wide == frozenset()
    assert found.labels == {"team": "nba"}
    assert found.account == "runner@nba-props-platform.iam.gserviceaccount.com"
    assert found.deployed_at == datetime(2026, 1, 15, 12, 1, 0, 1, tzinfo=UTC)
    assert found.deployed_by == "deployer@nba-props-platform.iam.gserviceaccount.com"
    assert found.deployed_with == "gcloud 502.0.0"
    assert found.traffic == [Traffic(100, None)]
    assert found.function is None


def test_who_changed_it_last_is_read(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME)
    before = services.get(NAME)
    revision = server.redeploy(NAME, by="ci@example.com", timeout="60s")
    after = services.get(NAME)
    assert (after.deployed_by, after.settings["timeout"]) == ("ci@example.com", 60.0)
    assert before.deployed_at is not None
    assert after.deployed_at is not None
    assert after.deployed_at > before.deployed_at
    newest, first = services.revisions(NAME)
    assert (newest.name, newest.deployed_by, first.deployed_by) == (revision, "ci@example.com", before.deployed_by)
    assert (newest.settings["timeout"], first.settings["timeout"]) == (60.0, 540.0)


def test_what_an_answer_does_not_have_is_not_set(server: CloudRun, services: CloudRunServices) -> None:
    raw = server.deploy(NAME)
    for key in ("scaling", "timeout", "maxInstanceRequestConcurrency", "serviceAccount"):
        del raw["template"][key]
    for key in ("labels", "client", "clientVersion", "updateTime", "lastModifier"):
        del raw[key]
    found = services.get(NAME)
    assert found.settings == {"min_instances": 0, "max_instances": None, "concurrency": None, "timeout": None}
    assert (found.labels, found.account, found.deployed_with, found.deployed_by) == ({}, None, None, raw["creator"])


@pytest.mark.parametrize(
    ("scaling", "instances", "wide"),
    [
        ({"minInstanceCount": 4}, (4, 20), {"min_instances"}),
        ({"minInstanceCount": 1}, (2, 20), {"min_instances"}),
        ({"maxInstanceCount": 10}, (2, 10), {"max_instances"}),
        ({"maxInstanceCount": 30}, (2, 20), {"max_instances"}),
        ({"scalingMode": "AUTOMATIC"}, (2, 20), set()),
        ({"scalingMode": "MANUAL", "manualInstanceCount": 3}, (3, 3), set()),
        ({"scalingMode": "MANUAL"}, (0, 0), set()),
    ],
)
def test_instances_are_those_that_both_levels_allow(
    server: CloudRun, services: CloudRunServices, scaling: dict[str, Any], instances: tuple[int, int], wide: set[str]
) -> None:
    raw = server.deploy(NAME, scaling={"minInstanceCount": 2, "maxInstanceCount": 20})
    raw["scaling"] = scaling
    found = services.get(NAME)
    assert (found.settings["min_instances"], found.settings["max_instances"]) == instances
    assert found.service_wide == wide


def test_a_function_of_the_second_generation_is_known_as_one(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy("phase2-to-phase3-orchestrator", function=True)
    assert services.get("phase2-to-phase3-orchestrator").function == "phase2-to-phase3-orchestrator"
    raw = server.deploy("by-source")
    raw["buildConfig"] = {"functionTarget": "main"}
    assert services.get("by-source").function is None, "gcloud run deploy --function: Cloud Functions does not know it"


def test_traffic_is_read_with_its_tags_and_as_it_is_in_force(server: CloudRun, services: CloudRunServices) -> None:
    raw = server.deploy(NAME)
    first = raw["latestReadyRevision"].rpartition("/")[2]
    raw["trafficStatuses"] = [
        {"type": LATEST, "percent": 90},
        {"type": PINNED, "revision": raw["latestReadyRevision"], "percent": 10, "tag": "old", "uri": "https://old"},
        {"type": PINNED, "revision": first, "tag": "debug"},
    ]
    assert services.get(NAME).traffic == [Traffic(90, None), Traffic(10, first, "old"), Traffic(0, first, "debug")]


def test_a_revision_that_still_starts_is_not_ready(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME)
    server.revisions[f"{NAME}-00001-abc"]["conditions"] = [{"type": "Ready", "state": "CONDITION_RECONCILING"}]
    (revision,) = services.revisions(NAME)
    assert (revision.ready, revision.problem) == (False, "Cloud Run is still starting it.")


def test_all_pages_of_services_and_revisions_are_read(server: CloudRun, services: CloudRunServices) -> None:
    server.page_limit = 2
    for number in range(5):
        server.deploy(f"service-{number}")
    for number in range(4):
        server.redeploy("service-0", timeout=f"{number + 1}s")
    assert [each.name for each in services.list()] == [f"service-{number}" for number in range(5)]
    assert [each.settings["timeout"] for each in services.revisions("service-0")] == [4, 3, 2, 1, 540]


def test_sixty_services_of_two_regions_take_one_call_a_region(server: CloudRun) -> None:
    for number in range(60):
        server.deploy(f"service-{number:02}")
        server.at("us-west1").deploy(f"western-{number:02}")
    west = client(server.address, region="us-west1")
    elsewhere = {f"western-{number:02}": west for number in range(60)}
    with closing(RegionalServices(client(server.address), elsewhere)) as services:
        found = services.list()
    assert len(found) == 120
    assert {each.region for each in found} == {"us-west1", "us-west2"}
    assert len(server.requests) == 2


def test_regions_are_asked_at_the_same_time(server: CloudRun) -> None:
    both = threading.Barrier(2)
    with cloud_run_server() as other:
        for one in (server, other):
            one.deploy(NAME)
            handle = one.handle
            one.handle = lambda *asked, handle=handle: (both.wait(10), handle(*asked))[1]  # type: ignore[method-assign]
        with closing(RegionalServices(client(server.address), {"nba-odds": client(other.address)})) as services:
            assert [each.name for each in services.list()] == [NAME]
