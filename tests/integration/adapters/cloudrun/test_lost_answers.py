"""Lost answers, bursts of refusals and outages while a service is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.errors import NbactlError, NotAuthorisedError, NotFoundError, PreconditionError, UnavailableError
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.ports.services import DeployedService
    from nbactl.testing import FakeClock
    from tests.kit.cloud_run_server import CloudRun

NAME = "nba-scrapers"


def merge(services: CloudRunServices, **changes: str | None) -> DeployedService:
    return services.change(NAME, ServiceEdit(changes), expected_version=services.get(NAME).version)


def test_an_answer_that_is_lost_is_found_again_and_nothing_is_done_twice(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.lose_answer()
    server.polls = 0
    after = merge(services, A="2")
    assert after.env == {"A": "2"}
    assert after.latest_ready_revision == f"{NAME}-00002-gen"
    assert len(server.patches()) == 2


def test_after_a_lost_answer_somebody_elses_change_is_not_taken_for_ours(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.before_patch = lambda name: server.set_env(name, A="theirs")
    server.lose_answer(times=1)
    with pytest.raises(PreconditionError, match="in the meantime") as refused:
        merge(services, A="ours")
    assert "Conflict for resource" in (refused.value.cause or "")


def test_when_every_answer_is_lost_the_service_itself_tells(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, {"A": "1"})
    server.polls = 0
    server.lose_answer(times=4)
    assert merge(services, A="2").env == {"A": "2"}


def test_when_the_service_cannot_be_asked_either_the_outcome_is_open(
    server: CloudRun, services: CloudRunServices
) -> None:
    server.deploy(NAME, {"A": "1"})
    version = services.get(NAME).version
    server.lose_answer(times=4)
    server.before_patch = lambda _: server.fail("GET", *[503] * 9)
    with pytest.raises(UnavailableError) as lost:
        services.change(NAME, ServiceEdit({"A": "2"}), expected_version=version)
    assert lost.value.details["outcome"] == "unknown"
    assert "gcloud run services describe" in (lost.value.next_step or "")


@pytest.mark.parametrize(
    ("codes", "method"), [((429, 503), "GET"), ((500, 502, 504), "GET"), ((429, 503), "PATCH"), ((500,), "PATCH")]
)
def test_bursts_of_refusals_are_sat_out(
    server: CloudRun, services: CloudRunServices, codes: tuple[int, ...], method: str
) -> None:
    server.deploy(NAME, {"A": "1"})
    server.fail(method, *codes)
    assert merge(services, A="2").env == {"A": "2"}


def test_retry_after_is_followed(server: CloudRun, services: CloudRunServices, clock: FakeClock) -> None:
    server.deploy(NAME)
    server.fail("GET", 429, retry_after="7")
    services.get(NAME)
    assert clock.sleeps == [7.0]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_inv_16_an_outage_is_given_up_after_as_many_tries_as_the_policy_says(
    server: CloudRun, services: CloudRunServices, method: str
) -> None:
    server.deploy(NAME, {"A": "1"})
    version = services.get(NAME).version
    server.requests.clear()
    server.fail(method, *[503] * 9)
    with pytest.raises(UnavailableError) as away:
        services.change(NAME, ServiceEdit({"A": "2"}), expected_version=version)
    assert away.value.exit_code == 7
    assert len([each for each in server.requests if each.method == method]) == 4
    assert server.env(NAME) == {"A": "1"}


@pytest.mark.parametrize(
    ("arrange", "kind", "exit_code"),
    [("hidden", NotAuthorisedError, 5), ("forbidden", NotAuthorisedError, 5), ("gone", NotFoundError, 4)],
)
def test_inv_16_what_never_gets_better_is_asked_once(
    server: CloudRun, services: CloudRunServices, arrange: str, kind: type[NbactlError], exit_code: int
) -> None:
    server.deploy(NAME, {"A": "1"})
    version = services.get(NAME).version
    server.requests.clear()
    server.hidden = arrange == "hidden"
    server.forbidden = {NAME}
    if arrange == "gone":
        server.services.clear()
    with pytest.raises(kind) as refused:
        services.change(NAME, ServiceEdit({"A": "2"}), expected_version=version)
    assert refused.value.exit_code == exit_code
    assert refused.value.next_step
    assert len(server.requests) == (1 if arrange == "hidden" else 2), "one more looks for it in other regions"
