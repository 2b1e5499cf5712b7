"""What Cloud Run refuses: which permission and role are missing, another region, quotas, an API that is not enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.errors import NotAuthorisedError, NotFoundError, UnavailableError
from nbactl.ports.services import ServiceEdit
from tests.kit.cloud_run_http import RefusedError

if TYPE_CHECKING:
    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.testing import FakeClock
    from tests.kit.cloud_run_server import CloudRun

NAME = "nba-scrapers"


def test_inv_16_the_permission_and_the_smallest_role_for_reading_are_named(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME)
    server.hidden = True
    with pytest.raises(NotAuthorisedError) as refused:
        services.get(NAME)
    assert refused.value.message == f"{NAME}: this account does not have the permission run.services.get"
    assert refused.value.next_step == (
        "Ask for the role roles/run.viewer, which has it, for the service or in the project nba-props-platform."
    )
    assert refused.value.details == {"permission": "run.services.get", "role": "roles/run.viewer"}
    with pytest.raises(NotAuthorisedError, match=r"the permission run\.services\.list"):
        services.list()


def test_a_service_of_another_team_can_be_read_and_not_changed(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, {"A": "1"})
    server.forbidden = {NAME}
    version = services.get(NAME).version
    with pytest.raises(NotAuthorisedError, match=r"the permission run\.services\.update") as refused:
        services.change(NAME, ServiceEdit({"A": "2"}), expected_version=version)
    assert "roles/run.developer" in (refused.value.next_step or "")
    assert server.env(NAME) == {"A": "1"}


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (
            "Permission 'iam.serviceaccounts.actAs' denied on service account runner@x (or it may not exist).",
            "roles/iam.serviceAccountUser, which has it, for the service account",
        ),
        ("Permission 'run.jobs.run' denied on resource 'x' (or resource may not exist).", "a role that has it"),
        ("The caller does not have permission", "roles/run.developer"),
    ],
)
def test_other_refusals_say_what_to_ask_for(
    server: CloudRun, services: CloudRunServices, told: str, named: str
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.fail("PATCH", 403, message=told)
    with pytest.raises(NotAuthorisedError) as refused:
        services.change(NAME, ServiceEdit({"A": "2"}), expected_version=services.get(NAME).version)
    assert named in (refused.value.next_step or "")
    assert told in (refused.value.cause or "")


def test_an_api_that_is_not_enabled_says_how_to_enable_it(server: CloudRun, services: CloudRunServices) -> None:
    server.disabled = True
    with pytest.raises(NotAuthorisedError, match="the Cloud Run API is not enabled in nba-props-platform") as refused:
        services.list()
    assert refused.value.next_step == (
        "Enable it: gcloud services enable run.googleapis.com --project nba-props-platform"
    )


def test_a_quota_is_waited_for_as_long_as_it_says_and_then_named(
    server: CloudRun, services: CloudRunServices, clock: FakeClock
) -> None:
    server.deploy(NAME)
    server.exhaust_quota("GET")
    assert services.get(NAME).name == NAME
    assert clock.sleeps == [7.0]
    server.exhaust_quota("GET", times=9, retry_after=None)
    with pytest.raises(UnavailableError, match="has no quota left for now") as away:
        services.get(NAME)
    assert "'Read requests per minute per region'" in (away.value.cause or "")


def test_a_list_that_is_not_complete_is_not_taken_for_one(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME)
    server.unreachable = ("us-west2-a",)
    with pytest.raises(UnavailableError, match="could not list all services") as partial:
        services.list()
    assert partial.value.cause == "Not reached: us-west2-a."


def test_a_service_of_another_region_is_found_there_with_one_call(server: CloudRun, services: CloudRunServices) -> None:
    server.at("us-west1").deploy(NAME)
    with pytest.raises(NotFoundError) as refused:
        services.get(NAME)
    assert refused.value.message == (
        f"there is no service {NAME} on Cloud Run of nba-props-platform in us-west2 (emulator {server.address})"
    )
    assert refused.value.next_step == (
        "It is in us-west1: set `region: us-west1` for it under `services` in workflows.yaml, "
        "or give --region us-west1."
    )
    assert len(server.requests) == 2
    with pytest.raises(NotFoundError, match="there is no service"):
        services.revisions(NAME)


def test_a_service_of_several_other_regions_names_them_all(server: CloudRun, services: CloudRunServices) -> None:
    for region in ("us-west1", "us-east1"):
        server.at(region).deploy(NAME)
    with pytest.raises(NotFoundError) as refused:
        services.get(NAME)
    assert (refused.value.next_step or "").startswith("It is in us-west1 and us-east1: ")


def test_a_misspelt_name_is_corrected(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME)
    with pytest.raises(NotFoundError) as refused:
        services.get("nba-scraper")
    assert (refused.value.next_step or "").startswith(f"Did you mean '{NAME}'? Correct the name, or its region")


def test_where_other_regions_may_not_be_seen_the_service_is_simply_not_there(
    server: CloudRun, services: CloudRunServices
) -> None:
    def refuse() -> None:
        raise RefusedError(403, "Permission 'run.services.list' denied on resource 'x'")

    server._everywhere = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(NotFoundError) as refused:
        services.get(NAME)
    assert (refused.value.next_step or "").startswith("Correct the name")
