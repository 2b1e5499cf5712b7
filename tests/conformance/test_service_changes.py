"""What every engine of the services port must do with settings, revisions and traffic."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError, DeployFailedError, NotFoundError, PreconditionError
from nbactl.ports.services import SETTINGS, ServiceEdit, Settings, Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.services import DeployedService, DeployedServices
    from tests.kit.service_engines import Arranged, Place

NAME = "nba-scrapers"


def change(services: DeployedServices, edit: ServiceEdit) -> DeployedService:
    return services.change(NAME, edit, expected_version=services.get(NAME).version)


def set_env(services: DeployedServices, **values: str | None) -> str:
    """Change variables; return the revision that has them."""
    return change(services, ServiceEdit(values)).latest_created_revision or ""


class TestRevisions:
    def test_a_service_has_the_revision_of_its_first_deployment(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        service = services.get(NAME)
        (revision,) = services.revisions(NAME)
        assert revision.name == service.latest_ready_revision
        assert (revision.ready, revision.problem) == (True, None)
        assert (revision.env, revision.settings, revision.image) == (service.env, service.settings, service.image)
        assert revision.created_at.utcoffset() is not None

    def test_each_change_makes_a_revision_and_the_newest_comes_first(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "0"})
        for number in range(1, 4):
            set_env(services, A=str(number))
        found = services.revisions(NAME)
        assert [each.env["A"] for each in found] == ["3", "2", "1", "0"]
        assert all(newer.created_at >= older.created_at for newer, older in pairwise(found))
        assert len({each.name for each in found}) == 4

    def test_a_revision_keeps_what_it_was_deployed_with(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME, {"A": "1"})
        (first,) = services.revisions(NAME)
        set_env(services, A="2")
        region.set_env(NAME, A="3")
        assert services.revisions(NAME)[-1] == first

    def test_a_revision_that_does_not_start_says_why_and_the_old_one_serves(
        self, services: DeployedServices, place: Place
    ) -> None:
        place.region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        with pytest.raises(DeployFailedError) as failed:
            change(services, ServiceEdit(place.crash))
        assert failed.value.cause
        broken, good = services.revisions(NAME)
        assert (broken.ready, good.ready) == (False, True)
        assert broken.problem
        found = services.get(NAME)
        assert (found.latest_ready_revision, found.latest_created_revision) == (good.name, broken.name)
        assert found.traffic == before.traffic
        assert found.problem
        undone = change(services, ServiceEdit(dict.fromkeys(place.crash)))
        assert (undone.problem, undone.env) == (None, before.env)


class TestSettings:
    def test_all_settings_are_read(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME)
        assert set(services.get(NAME).settings) == set(SETTINGS)

    @pytest.mark.needs("settings")
    @pytest.mark.parametrize(
        "settings",
        [
            {"max_instances": 7},
            {"min_instances": 2},
            {"concurrency": 80},
            {"timeout": 900},
            {"min_instances": 3, "max_instances": 3, "concurrency": 1000, "timeout": 3600},
        ],
    )
    def test_settings_are_changed_together_and_come_back(
        self, services: DeployedServices, region: Arranged, settings: Settings
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        after = change(services, ServiceEdit(settings=settings))
        assert after.settings == {**before.settings, **settings}
        assert after == services.get(NAME)
        assert (after.env, after.secrets, after.image) == (before.env, before.secrets, before.image)
        old: Settings = {name: before.settings[name] for name in settings}
        assert change(services, ServiceEdit(settings=old)).settings == before.settings

    @pytest.mark.needs("settings")
    def test_variables_and_settings_make_one_revision(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME, {"A": "1"})
        after = change(services, ServiceEdit({"A": "2"}, {"max_instances": 5}))
        newest, *older = services.revisions(NAME)
        assert (newest.name, len(older)) == (after.latest_ready_revision, 1)
        assert (newest.env["A"], newest.settings["max_instances"]) == ("2", 5)
        assert older[0].env["A"] == "1"

    @pytest.mark.needs("settings")
    def test_settings_that_are_there_already_make_no_revision(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME)
        before = services.get(NAME)
        assert change(services, ServiceEdit(settings=before.settings)) == before

    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"max_instances": 0}, "at least 1"),
            ({"min_instances": -1}, "at least 0"),
            ({"concurrency": 0}, "at least 1"),
            ({"concurrency": 1001}, "at most 1,000"),
            ({"timeout": 0}, "at least 1"),
            ({"timeout": 3601}, "at most 3,600"),
            ({"timeout": 1.5}, "whole seconds"),
            ({"max_instances": 1.5}, "whole numbers"),
        ],
    )
    def test_settings_that_no_service_takes_are_refused(
        self, services: DeployedServices, region: Arranged, settings: Settings, why: str
    ) -> None:
        region.deploy(NAME)
        before = services.get(NAME)
        with pytest.raises(DataError, match=why):
            change(services, ServiceEdit(settings=settings))
        assert services.get(NAME) == before

    @pytest.mark.needs("settings")
    def test_a_minimum_above_the_maximum_is_refused(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME)
        before = change(services, ServiceEdit(settings={"max_instances": 4}))
        refused: list[Settings] = [{"min_instances": 5}, {"min_instances": 3, "max_instances": 2}]
        for settings in refused:
            with pytest.raises(DataError, match="would have a minimum of"):
                change(services, ServiceEdit(settings=settings))
        assert services.get(NAME) == before


class TestTwoOperators:
    def test_of_two_changes_of_the_same_version_one_wins(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME, {"A": "0"})
        version = services.get(NAME).version
        start = threading.Barrier(2)

        def attempt(value: str) -> str | None:
            start.wait()
            try:
                services.change(NAME, ServiceEdit({"A": value}), expected_version=version)
            except PreconditionError:
                return None
            return value

        with ThreadPoolExecutor(2) as pool:
            done = [value for value in pool.map(attempt, ("1", "2")) if value]
        assert len(done) == 1
        assert services.get(NAME).env["A"] == done[0]


class TestTraffic:
    def test_requests_go_to_one_revision_and_back_to_the_latest(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        set_env(services, A="2")
        old = before.latest_ready_revision or ""
        moved = change(services, ServiceEdit(traffic=[Traffic(100, old)]))
        assert (list(moved.traffic), moved.pinned_to, moved.latest_share) == ([Traffic(100, old)], [old], 0)
        assert not moved.follows_latest
        assert moved == services.get(NAME)
        assert moved.env == {"A": "2"}, "what the next revision gets stays"
        assert len(services.revisions(NAME)) == 2
        back = change(services, ServiceEdit(traffic=before.traffic))
        assert (back.traffic, back.follows_latest, back.latest_share) == (before.traffic, True, 100)

    def test_a_pinned_service_gives_a_new_revision_nothing(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME, {"A": "1"})
        pinned = services.get(NAME).latest_ready_revision or ""
        change(services, ServiceEdit(traffic=[Traffic(100, pinned)]))
        after = change(services, ServiceEdit({"A": "2"}))
        assert after.latest_ready_revision != pinned
        assert (after.latest_share, after.pinned_to) == (0, [pinned])

    @pytest.mark.needs("split")
    def test_requests_are_split(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME, {"A": "1"})
        old = services.get(NAME).latest_ready_revision or ""
        new = set_env(services, A="2")
        for percent in (10, 50):
            shares = [Traffic(percent, new), Traffic(100 - percent, old)]
            moved = change(services, ServiceEdit(traffic=shares))
            assert list(moved.traffic) == shares
            assert (moved.latest_share, moved.pinned_to) == (percent, [old])

    def test_traffic_that_is_there_already_is_not_sent(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME)
        before = services.get(NAME)
        assert change(services, ServiceEdit(traffic=before.traffic)) == before

    def test_requests_do_not_go_to_a_revision_that_is_not_there(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME)
        before = services.get(NAME)
        with pytest.raises(NotFoundError, match=f"{NAME} has no revision nba-scrapers-00099-zzz") as refused:
            change(services, ServiceEdit(traffic=[Traffic(100, "nba-scrapers-00099-zzz")]))
        assert (before.latest_ready_revision or "?") in (refused.value.next_step or "")
        assert services.get(NAME) == before

    def test_requests_do_not_go_to_a_revision_that_is_not_ready(self, services: DeployedServices, place: Place) -> None:
        place.region.deploy(NAME)
        with pytest.raises(DeployFailedError):
            change(services, ServiceEdit(place.crash))
        before = services.get(NAME)
        with pytest.raises(PreconditionError, match="is not ready") as refused:
            change(services, ServiceEdit(traffic=[Traffic(100, before.latest_created_revision)]))
        assert refused.value.cause
        assert (before.latest_ready_revision or "?") in (refused.value.next_step or "")
        assert services.get(NAME) == before

    def test_requests_are_moved_away_while_the_latest_revision_is_broken(
        self, services: DeployedServices, place: Place
    ) -> None:
        place.region.deploy(NAME, {"A": "1"})
        first = services.get(NAME).latest_ready_revision or ""
        set_env(services, A="2")
        with pytest.raises(DeployFailedError):
            change(services, ServiceEdit(place.crash))
        moved = change(services, ServiceEdit(traffic=[Traffic(100, first)]))
        assert list(moved.traffic) == [Traffic(100, first)]

    @pytest.mark.parametrize(
        ("shares", "why"),
        [
            ([], "add up to 0 %"),
            ([Traffic(99, None)], "add up to 99 %"),
            ([Traffic(101, None)], "add up to 101 %"),
            ([Traffic(150, None), Traffic(-50, None)], "a share of -50 %"),
            ([Traffic(100, None, "a"), Traffic(0, None, "a")], "tag"),
        ],
    )
    def test_shares_that_no_service_takes_are_refused(
        self, services: DeployedServices, region: Arranged, shares: Sequence[Traffic], why: str
    ) -> None:
        region.deploy(NAME)
        before = services.get(NAME)
        with pytest.raises(DataError, match=why):
            change(services, ServiceEdit(traffic=shares))
        assert services.get(NAME) == before

    @pytest.mark.parametrize("rest", [{"env": {"A": "1"}}, {"settings": {"max_instances": 3}}])
    def test_traffic_is_not_changed_together_with_the_rest(
        self, services: DeployedServices, region: Arranged, rest: dict[str, dict[str, str]]
    ) -> None:
        region.deploy(NAME)
        with pytest.raises(DataError, match="cannot be changed together"):
            change(services, ServiceEdit(**rest, traffic=[Traffic(100, None)]))  # type: ignore[arg-type]

    def test_what_somebody_else_changed_since_is_not_overwritten(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        region.set_env(NAME, A="theirs")
        with pytest.raises(PreconditionError, match="was changed by someone else"):
            services.change(NAME, ServiceEdit(traffic=[Traffic(100, None)]), expected_version=before.version)
