"""Settings and traffic over the wire: what is sent, where a setting is kept, and the way back."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError, DeployFailedError, PreconditionError, StillRunningError
from nbactl.ports.services import ServiceEdit, Settings, Traffic
from tests.kit.cloud_run_server import LATEST, PINNED, CloudRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.ports.services import DeployedService
    from nbactl.testing import FakeClock

NAME = "nba-scrapers"
FIRST = f"{NAME}-00001-abc"


def change(services: CloudRunServices, edit: ServiceEdit) -> DeployedService:
    return services.change(NAME, edit, expected_version=services.get(NAME).version)


def settings(services: CloudRunServices, **wanted: float | None) -> DeployedService:
    return change(services, ServiceEdit(settings=wanted))  # type: ignore[arg-type]


def right_after(server: CloudRun, meddle: Callable[[], object]) -> None:
    """Have somebody else do something as soon as the next change is in force."""
    finish = server._finish

    def done(service: str) -> str | None:
        problem = finish(service)
        server._finish = finish  # type: ignore[method-assign]
        meddle()
        return problem

    server._finish = done  # type: ignore[method-assign]


def state(server: CloudRun) -> str:
    """Return what somebody set of a service, as text; a revision has another name each time."""
    raw = copy.deepcopy(server.services[NAME])
    raw["template"].pop("revision", None)
    return json.dumps([raw["template"], raw.get("scaling", {}), raw["traffic"], raw["labels"]])


class TestSettings:
    def test_variables_and_settings_are_one_update_of_the_template(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME, {"A": "1"})
        before = copy.deepcopy(server.services[NAME]["template"])
        change(services, ServiceEdit({"A": "2"}, {"max_instances": 5, "timeout": 60.0, "concurrency": 8}))
        (patch,) = server.patches()
        assert patch.parameters == {"updateMask": "template"}
        del before["revision"]
        before["containers"][0]["env"][0]["value"] = "2"
        before |= {"scaling": {"maxInstanceCount": 5}, "timeout": "60s", "maxInstanceRequestConcurrency": 8}
        assert patch.body["template"] == before, "with everything that nobody knows"

    def test_a_setting_of_the_service_is_changed_there_and_makes_no_revision(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME)["scaling"] = {"minInstanceCount": 2, "futureLevel": "kept"}
        after = settings(services, min_instances=5)
        (patch,) = server.patches()
        assert patch.parameters == {"updateMask": "scaling"}
        assert patch.body["scaling"] == {"minInstanceCount": 5, "futureLevel": "kept"}
        assert after.settings["min_instances"] == 5
        assert len(services.revisions(NAME)) == 1

    def test_settings_of_both_levels_are_one_update(self, server: CloudRun, services: CloudRunServices) -> None:
        server.deploy(NAME)["scaling"] = {"minInstanceCount": 2}
        after = settings(services, min_instances=3, max_instances=9)
        (patch,) = server.patches()
        assert patch.parameters == {"updateMask": "template,scaling"}
        assert (after.settings["min_instances"], after.settings["max_instances"]) == (3, 9)

    def test_a_setting_that_the_other_level_overrules_is_refused(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        raw = server.deploy(NAME, scaling={"minInstanceCount": 2, "maxInstanceCount": 20})
        raw["scaling"] = {"minInstanceCount": 5, "maxInstanceCount": 10}
        with pytest.raises(DataError, match="min instances for the service and for its revision, and 2 wins") as less:
            settings(services, min_instances=1)
        assert (less.value.next_step or "").endswith(f"gcloud run services update {NAME} --min-instances default")
        with pytest.raises(DataError, match="max instances for the service and for its revision, and 20 wins"):
            settings(services, max_instances=50)
        assert server.patches() == []
        assert settings(services, min_instances=4, max_instances=15).settings["max_instances"] == 15

    def test_a_service_that_is_scaled_by_hand_is_refused(self, server: CloudRun, services: CloudRunServices) -> None:
        server.deploy(NAME)["scaling"] = {"scalingMode": "MANUAL", "manualInstanceCount": 3}
        with pytest.raises(DataError, match=f"{NAME} is scaled by hand to 3 instances") as refused:
            settings(services, max_instances=5)
        assert "--scaling auto" in (refused.value.next_step or "")
        assert settings(services, timeout=60).settings["timeout"] == 60

    def test_a_setting_that_is_removed_is_left_to_the_platform(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME)
        after = settings(services, max_instances=None, concurrency=None, timeout=None)
        assert after.settings == {"min_instances": 0, "max_instances": 100, "concurrency": 80, "timeout": 300}

    def test_the_answer_of_an_update_of_settings_is_lost_and_it_is_found(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME)
        server.polls = 0
        server.lose_answer()
        assert settings(services, max_instances=3).settings["max_instances"] == 3
        assert len(server.patches()) == 2

    @pytest.mark.parametrize(
        ("edit", "found"),
        [
            (ServiceEdit(settings={"max_instances": 3}), "Not as wanted: max_instances."),
            (ServiceEdit(settings={"timeout": 60}), "Settings that this change does not name are different."),
            (ServiceEdit({"A": "2"}), "Settings that this change does not name are different."),
        ],
    )
    def test_settings_that_somebody_resets_right_after_are_noticed(
        self, server: CloudRun, services: CloudRunServices, edit: ServiceEdit, found: str
    ) -> None:
        server.deploy(NAME, {"A": "1"})
        right_after(server, lambda: server.redeploy(NAME, scaling={"maxInstanceCount": 40}))
        with pytest.raises(PreconditionError) as refused:
            change(services, edit)
        assert refused.value.cause == f"{found} Someone deployed it right after this change."

    def test_what_the_platform_fills_in_is_nobodys_change(self, server: CloudRun, services: CloudRunServices) -> None:
        raw = server.deploy(NAME, {"A": "1"})
        for name in ("scaling", "timeout", "maxInstanceRequestConcurrency"):
            del raw["template"][name]
        assert change(services, ServiceEdit({"A": "2"})).settings["max_instances"] == 100

    def test_variables_that_somebody_changes_right_after_are_noticed(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME, {"A": "1"})
        right_after(server, lambda: server.set_env(NAME, A="theirs"))
        with pytest.raises(PreconditionError) as refused:
            settings(services, max_instances=3)
        assert (refused.value.cause or "").startswith("Variables that this change does not name are different.")


class TestTraffic:
    def test_traffic_alone_is_sent(self, server: CloudRun, services: CloudRunServices) -> None:
        server.deploy(NAME, {"A": "1"})
        server.redeploy(NAME, timeout="60s")
        version = services.get(NAME).version
        change(services, ServiceEdit(traffic=[Traffic(100, FIRST)]))
        (patch,) = server.patches()
        assert patch.parameters == {"updateMask": "traffic"}
        assert patch.body == {
            "name": server.services[NAME]["name"],
            "etag": version,
            "traffic": [{"type": PINNED, "revision": FIRST, "percent": 100}],
        }

    def test_tags_stay_where_they_are_and_so_does_what_nobody_knows(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        raw = server.deploy(NAME)
        new = server.redeploy(NAME, timeout="60s")
        raw["traffic"] = [
            {"type": LATEST, "percent": 100, "tag": "live", "futureWeight": 0},
            {"type": PINNED, "revision": FIRST, "tag": "old", "futureWeight": 2},
        ]
        server._finish(NAME)
        moved = change(services, ServiceEdit(traffic=[Traffic(75, FIRST), Traffic(25, new)]))
        assert raw["traffic"] == [
            {"type": PINNED, "revision": FIRST, "percent": 75},
            {"type": PINNED, "revision": new, "percent": 25},
            {"type": LATEST, "tag": "live", "futureWeight": 0},
            {"type": PINNED, "revision": FIRST, "tag": "old", "futureWeight": 2},
        ]
        assert {share.tag: share.revision for share in moved.traffic if share.tag} == {"live": None, "old": FIRST}

    def test_a_tag_on_a_broken_revision_does_not_keep_requests_from_moving(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        raw = server.deploy(NAME, {"A": "1"})
        with pytest.raises(DeployFailedError):
            change(services, ServiceEdit({"A": "crash"}))
        broken = raw["latestCreatedRevision"].rpartition("/")[2]
        raw["traffic"].append({"type": PINNED, "revision": broken, "tag": "debug"})
        server._finish(NAME)
        moved = change(services, ServiceEdit(traffic=[Traffic(100, FIRST)]))
        assert moved.traffic == [Traffic(100, FIRST), Traffic(0, broken, "debug")]
        back = [Traffic(100, None), Traffic(0, broken, "debug")]
        assert change(services, ServiceEdit(traffic=back)).traffic == back

    def test_a_slow_move_is_waited_for_and_not_for_ever(
        self, server: CloudRun, services: CloudRunServices, clock: FakeClock
    ) -> None:
        server.deploy(NAME)
        server.polls = 5
        assert change(services, ServiceEdit(traffic=[Traffic(100, FIRST)])).pinned_to == []
        assert clock.sleeps == [2.0] * 5
        server.polls = 1000
        with pytest.raises(StillRunningError, match=f"the change of {NAME} is not in force after 1m00s"):
            change(services, ServiceEdit(traffic=[Traffic(100, None)]))

    def test_requests_that_stay_where_they_are_are_a_failure(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME)
        server.redeploy(NAME, timeout="60s")
        server.stuck_traffic = True
        with pytest.raises(DeployFailedError, match=f"the requests of {NAME} were not moved") as failed:
            change(services, ServiceEdit(traffic=[Traffic(100, FIRST)]))
        assert failed.value.cause == "Cloud Run says: Ingress has not yet been reconciled."
        server.stuck_traffic = False
        again = change(services, ServiceEdit(traffic=[Traffic(100, FIRST)]))
        assert again.traffic == [Traffic(100, FIRST)], "asked for before, and not in force: it is sent again"

    def test_a_move_that_failed_is_called_off(self, server: CloudRun, services: CloudRunServices) -> None:
        raw = server.deploy(NAME)
        server.redeploy(NAME, timeout="60s")
        server.stuck_traffic = True
        with pytest.raises(DeployFailedError):
            change(services, ServiceEdit(traffic=[Traffic(100, FIRST)]))
        change(services, ServiceEdit(traffic=[Traffic(100, None)]))
        assert raw["traffic"] == [{"type": LATEST, "percent": 100}], "in force all the time, and no longer asked for"

    def test_a_tag_alone_is_a_change(self, server: CloudRun, services: CloudRunServices) -> None:
        server.deploy(NAME)
        tagged = [Traffic(100, None), Traffic(0, FIRST, "debug")]
        assert change(services, ServiceEdit(traffic=tagged)).traffic == tagged
        assert len(server.patches()) == 1

    def test_the_answer_of_a_move_is_lost_and_it_is_found(self, server: CloudRun, services: CloudRunServices) -> None:
        server.deploy(NAME)
        server.redeploy(NAME, timeout="60s")
        server.polls = 0
        server.lose_answer(times=4)
        assert change(services, ServiceEdit(traffic=[Traffic(100, FIRST)])).traffic == [Traffic(100, FIRST)]

    def test_requests_that_somebody_moves_elsewhere_meanwhile_are_noticed(
        self, server: CloudRun, services: CloudRunServices
    ) -> None:
        server.deploy(NAME)
        server.redeploy(NAME, timeout="60s")
        right_after(server, lambda: server.pin(NAME))
        with pytest.raises(PreconditionError) as refused:
            change(services, ServiceEdit(traffic=[Traffic(100, FIRST)]))
        assert (refused.value.cause or "").startswith("Not as wanted: traffic.")


def test_undo_of_the_first_variable_leaves_no_trace(server: CloudRun, services: CloudRunServices) -> None:
    server.deploy(NAME, containers=[{"image": "app"}])
    was = state(server)
    change(services, ServiceEdit({"A": "1"}))
    change(services, ServiceEdit({"A": None}))
    assert state(server) == was


@pytest.mark.parametrize("scaling", [{}, {"minInstanceCount": 2}, {"minInstanceCount": 2, "maxInstanceCount": 9}])
@pytest.mark.parametrize(
    "wanted",
    [
        {"min_instances": 4, "max_instances": 6},
        {"min_instances": 0},
        {"max_instances": None, "timeout": None, "concurrency": None},
    ],
)
def test_undo_brings_the_service_back_byte_for_byte(
    server: CloudRun, services: CloudRunServices, scaling: dict[str, int], wanted: Settings
) -> None:
    template_scaling = {"maxInstanceCount": 20} if "maxInstanceCount" not in scaling else {"maxInstanceCount": 100}
    raw = server.deploy(NAME, {"A": "1", "B": "2", "C": "3", "D": "4"}, scaling=template_scaling)
    raw["scaling"] = scaling
    before, was = services.get(NAME), state(server)
    edit = ServiceEdit({"A": None, "B": None, "C": "9", "E": "5", "D": None}, wanted)
    there = services.change(NAME, edit, expected_version=before.version)
    assert state(server) != was
    undo = ServiceEdit(
        {name: before.env.get(name) for name in edit.env},
        {name: before.settings[name] for name in wanted},
        env_order=before.env_order,
        service_wide=before.service_wide,
    )
    services.change(NAME, undo, expected_version=there.version)
    assert json.loads(state(server)) == json.loads(was)
    assert server.services[NAME]["template"]["containers"] == json.loads(was)[0]["containers"]
    moved = change(services, ServiceEdit(traffic=[Traffic(100, services.revisions(NAME)[-1].name)]))
    services.change(NAME, ServiceEdit(traffic=before.traffic), expected_version=moved.version)
    assert json.loads(state(server)) == json.loads(was)
