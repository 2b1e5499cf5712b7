"""The services of `up` follow their documents: changes, revisions that do not start, another environment at a start."""

from __future__ import annotations

from http.client import HTTPConnection
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import (
    DataError,
    DeployFailedError,
    NbactlError,
    PreconditionError,
    StillRunningError,
    UnavailableError,
)
from nbactl.ports.services import ServiceEdit, Traffic
from tests.kit.local_up import LocalUp, open_services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.adapters.localrun.services import LocalServices
    from nbactl.ports.services import DeployedService

ONE = "one"
LATEST = (Traffic(100, None),)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[LocalUp]:
    with LocalUp(tmp_path) as running:
        running.deploy(ONE, {"A": "1"})
        yield running


@pytest.fixture
def services(tmp_path: Path) -> LocalServices:
    return open_services(tmp_path)


def get(service: DeployedService, path: str) -> str:
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def change(services: LocalServices, edit: ServiceEdit) -> DeployedService:
    return services.change(ONE, edit, expected_version=services.get(ONE).version)


def messages(up: LocalUp) -> list[str]:
    return [line.message for line in up.lines]


def test_a_change_of_variables_reaches_the_processes_on_the_same_address(up: LocalUp, services: LocalServices) -> None:
    before = services.get(ONE)
    after = change(services, ServiceEdit({"A": "2", "B": "3"}))
    assert (after.url, after.deployed_by) == (before.url, "mia@here")
    assert [get(after, f"/env/{name}") for name in "AB"] == ["2", "3"]
    assert "one-00002 serves instead of one-00001" in messages(up)
    [process] = up.supervisor.services[ONE].running.processes
    assert process.revision == "one-00002"


def test_a_secret_reaches_the_processes_and_nothing_that_is_kept(up: LocalUp, services: LocalServices) -> None:
    service = services.get(ONE)
    assert get(service, "/env/API_KEY") == "hidden-value"
    assert service.secrets == {"API_KEY"}
    with pytest.raises(DataError, match="SLACK_TOKEN looks like a secret") as refused:
        change(services, ServiceEdit({"SLACK_TOKEN": "hidden-value"}))
    assert "nbactl up" in (refused.value.next_step or "")
    kept = b"".join(file.read_bytes() for file in up.folder.iterdir())
    assert b"API_KEY" in kept
    assert b"hidden-value" not in kept


def test_a_revision_that_does_not_start_leaves_the_old_one_serving(up: LocalUp, services: LocalServices) -> None:
    pid = get(services.get(ONE), "/pid")
    with pytest.raises(DeployFailedError, match="the previous one keeps serving") as failed:
        change(services, ServiceEdit({"BROKEN": "1"}))
    assert failed.value.cause == "one-00002: exit code 1: the port is cursed"
    assert get(services.get(ONE), "/pid") == pid
    assert services.get(ONE).problem == "exit code 1: the port is cursed"
    assert "one-00002 does not start, one-00001 serves: exit code 1: the port is cursed" in messages(up)


def test_a_revision_that_is_not_ready_in_time_leaves_the_old_one_serving(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    with LocalUp(tmp_path, start=2.0) as up:
        up.deploy(ONE)
        pid = get(services.get(ONE), "/pid")
        with pytest.raises(DeployFailedError, match="the previous one keeps serving") as never:
            change(services, ServiceEdit({"NEVER_READY": "1"}))
        assert never.value.cause == "one-00002: not ready after 2s: the feed is empty"
        assert get(services.get(ONE), "/pid") == pid


def test_requests_go_to_an_older_revision_and_a_new_one_only_shows_that_it_starts(
    up: LocalUp, services: LocalServices
) -> None:
    change(services, ServiceEdit({"A": "2"}))
    pinned = change(services, ServiceEdit(traffic=[Traffic(100, "one-00001")]))
    assert get(pinned, "/env/A") == "1"
    third = change(services, ServiceEdit({"A": "3"}))
    assert (third.latest_ready_revision, third.latest_share, get(third, "/env/A")) == ("one-00003", 0, "1")
    assert "one-00003 is ready, and gets no requests" in messages(up)
    with pytest.raises(DeployFailedError):
        change(services, ServiceEdit({"BROKEN": "1"}))
    assert get(services.get(ONE), "/env/A") == "1"
    back = change(services, ServiceEdit(traffic=LATEST))
    assert (back.follows_latest, get(back, "/env/A")) == (True, "3")


def test_a_revision_that_started_once_and_does_not_any_more_gets_no_requests(
    up: LocalUp, services: LocalServices
) -> None:
    bad = up.folder / "bad"
    change(services, ServiceEdit({"A": "2", "BROKEN_IF": str(bad)}))
    change(services, ServiceEdit({"A": "3", "BROKEN_IF": None}))
    bad.touch()
    with pytest.raises(DeployFailedError, match="the previous one keeps serving") as failed:
        change(services, ServiceEdit(traffic=[Traffic(100, "one-00002")]))
    assert failed.value.cause == "one-00002: exit code 1: the port is cursed"
    found = services.get(ONE)
    assert (found.traffic, found.problem, found.is_reconciling, get(found, "/env/A")) == (LATEST, None, False, "3")
    assert change(services, ServiceEdit({"A": "4"})).latest_share == 100


def test_the_fewest_instances_are_the_processes_that_share_the_socket(up: LocalUp, services: LocalServices) -> None:
    after = change(services, ServiceEdit(settings={"min_instances": 3, "max_instances": 4, "concurrency": 7}))
    assert after.settings == {"min_instances": 3, "max_instances": 4, "concurrency": 7, "timeout": None}
    assert len(up.supervisor.services[ONE].running.processes) == 3
    fewer = change(services, ServiceEdit(settings={"min_instances": None, "concurrency": None}))
    assert fewer.settings == {"min_instances": 0, "max_instances": 4, "concurrency": None, "timeout": None}
    assert len(up.supervisor.services[ONE].running.processes) == 1
    for edit, why in (
        (ServiceEdit(settings={"timeout": 60}), "have no timeout"),
        (ServiceEdit(settings={"min_instances": 17, "max_instances": 20}), "17 processes of one service are too many"),
        (ServiceEdit(settings={"min_instances": 5}), "a minimum of 5 instances and a maximum of 4"),
        (ServiceEdit(traffic=[Traffic(50, "one-00001"), Traffic(50, None)]), "are not split"),
        (ServiceEdit(traffic=[Traffic(100, None, "canary")]), "no address of its own"),
    ):
        with pytest.raises(DataError, match=why):
            change(services, edit)
    assert services.get(ONE) == fewer


def test_without_up_the_last_state_is_shown_and_nothing_is_changed(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"A": "1"})
        change(services, ServiceEdit({"A": "2"}))
        before = services.get(ONE)
    found = services.get(ONE)
    assert (found.problem, found.url, found.env) == ("it does not run: `nbactl up` is not running", "", before.env)
    assert [one.name for one in services.revisions(ONE)] == ["one-00002", "one-00001"]
    for edit in (ServiceEdit({"A": "3"}), ServiceEdit(traffic=[Traffic(100, "one-00001")])):
        with pytest.raises(PreconditionError, match="one does not run, and is not changed") as refused:
            change(services, edit)
        assert "nbactl up" in (refused.value.next_step or "")
    assert change(services, ServiceEdit({"A": "2"})) == services.list()[0] == found


def test_what_is_changed_between_two_starts_of_up_stays_and_the_environment_brings_what_is_new_in_it(
    tmp_path: Path,
) -> None:
    services = open_services(tmp_path)
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"FROM_UP": "1", "SAME": "1", "GONE": "1"})
        change(services, ServiceEdit({"FROM_UP": "9", "OURS": "1", "SAME": None}))
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"FROM_UP": "1", "SAME": "1", "GONE": "1"})
        assert services.get(ONE).latest_created_revision == "one-00002", "nothing is new"
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"FROM_UP": "2", "SAME": "1", "NEW": "1"})
        found = services.get(ONE)
        assert found.env == {"FROM_UP": "2", "OURS": "1", "NEW": "1"}
        assert (found.latest_ready_revision, found.deployed_by) == ("one-00003", "up@here")
        assert get(found, "/env/FROM_UP") == "2"
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"BROKEN": "1"})
        found = services.get(ONE)
        assert (found.latest_ready_revision, found.latest_created_revision) == ("one-00003", "one-00004")
        assert get(found, "/env/FROM_UP") == "2", "the one before serves"
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"BROKEN": "1"})
        assert services.get(ONE).latest_created_revision == "one-00004"
        assert not [text for text in messages(up) if "does not start" in text], "it is not tried again"


def test_a_first_revision_that_does_not_start_ends_up_and_is_tried_again_by_the_next(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.touch()
    with LocalUp(tmp_path) as up:
        up.add(ONE, {"BROKEN_IF": str(bad)})
        up.wait_for(lambda: up.error, fails=False)
        assert isinstance(up.error, UnavailableError)
        assert "one does not start" in up.error.message
    bad.unlink()
    with LocalUp(tmp_path) as up:
        up.deploy(ONE, {"BROKEN_IF": str(bad)})
        assert open_services(tmp_path).get(ONE).latest_ready_revision == "one-00001"


def test_a_change_that_takes_too_long_continues_and_one_that_was_overtaken_is_not_taken_for_done(
    tmp_path: Path,
) -> None:
    up = LocalUp(tmp_path)
    up.write_state()
    up.add(ONE, {"A": "1"})
    impatient, patient = open_services(tmp_path, deploy=0.05), open_services(tmp_path)
    with pytest.raises(StillRunningError, match="the new revision of one is not ready yet") as late:
        change(impatient, ServiceEdit({"A": "2"}))
    assert "still working on it after" in (late.value.cause or "")
    ended: list[NbactlError] = []

    def overtaken() -> None:
        try:
            change(patient, ServiceEdit({"A": "3"}))
        except NbactlError as error:
            ended.append(error)

    waiting = Thread(target=overtaken)
    waiting.start()
    up.wait_for(lambda: patient.get(ONE).version == "3")
    assert patient.get(ONE).is_reconciling
    with pytest.raises(StillRunningError):
        change(impatient, ServiceEdit({"A": "4"}))
    waiting.join()
    assert isinstance(ended[0], PreconditionError)
    assert ended[0].message == "one was changed by someone else in the meantime"
    with up:
        up.wait_for(lambda: not patient.get(ONE).is_reconciling)
        assert get(patient.get(ONE), "/env/A") == "4"
        assert [one.ready for one in patient.revisions(ONE)] == [True, False, False, False]
