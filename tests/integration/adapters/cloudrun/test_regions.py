"""Services of several regions behave as one set: each name means the service of its own region."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.cloudrun.regions import RegionalServices
from nbactl.errors import NotFoundError
from nbactl.ports.services import ServiceEdit
from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.cloud_run_server import CloudRun


@pytest.fixture
def west() -> Iterator[CloudRun]:
    with cloud_run_server() as server:
        yield server


@pytest.fixture
def other() -> Iterator[CloudRun]:
    with cloud_run_server() as server:
        yield server


@pytest.fixture
def services(west: CloudRun, other: CloudRun) -> Iterator[RegionalServices]:
    elsewhere = client(other.address)
    with closing(RegionalServices(client(west.address), dict.fromkeys(("scrapers", "odds"), elsewhere))) as made:
        yield made


def test_each_name_is_the_service_of_its_region(services: RegionalServices, west: CloudRun, other: CloudRun) -> None:
    for name in ("scrapers", "worker"):
        west.deploy(name, {"IN": "default"})
        other.deploy(name, {"IN": "elsewhere"})
    assert {service.name: service.env["IN"] for service in services.list()} == {
        "scrapers": "elsewhere",
        "worker": "default",
    }
    assert services.get("scrapers").env["IN"] == "elsewhere"
    assert services.get("worker").env["IN"] == "default"
    with pytest.raises(NotFoundError):
        services.get("odds")


def test_a_change_goes_to_the_region_of_its_service(
    services: RegionalServices, west: CloudRun, other: CloudRun
) -> None:
    other.deploy("scrapers", {"A": "1"})
    west.deploy("scrapers", {"A": "1"})
    services.change("scrapers", ServiceEdit({"A": "2"}), expected_version=services.get("scrapers").version)
    assert (other.env("scrapers")["A"], west.env("scrapers")["A"]) == ("2", "1")
