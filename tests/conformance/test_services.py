"""What every engine of the services port must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.ports.service_rules import MAX_BYTES, MAX_VARIABLES, RESERVED
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from nbactl.ports.services import DeployedServices
    from tests.kit.service_engines import Arranged

NAME = "nba-scrapers"
ODD_VALUES = {
    "EMPTY": "",
    "COMMAS": "a,b;c=d, e",
    "UNICODE": "Dončić — 東京 🏀",
    "NUMBER": "3600",
    "LINES": "one\ntwo\t'three' \"four\" \\",
    "SPACES": "  padded  ",
    "REFERENCE": "$(HOME) ${HOME} %HOME%",
    "LARGE": "é" * (MAX_BYTES // 2),
}


class TestDeployedServices:
    def test_an_empty_region_has_no_services(self, services: DeployedServices) -> None:
        assert list(services.list()) == []

    def test_all_services_are_listed_by_name(self, services: DeployedServices, region: Arranged) -> None:
        names = [f"service-{letter}" for letter in "ecabd"]
        for name in names:
            region.deploy(name, {"SELF": name})
        found = services.list()
        assert [each.name for each in found] == sorted(names)
        assert all(each.env == {"SELF": each.name} for each in found)
        assert found[0] == services.get("service-a")

    def test_a_service_is_read_with_its_variables_in_their_order(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"B": "2", "A": "1", **ODD_VALUES})
        found = services.get(NAME)
        assert list(found.env.items()) == [("B", "2"), ("A", "1"), *ODD_VALUES.items()]
        assert found.latest_ready_revision == found.latest_created_revision is not None
        assert (found.latest_share, found.pinned_to) == (100, [])
        assert (found.problem, found.unreadable, found.is_reconciling) == (None, None, False)
        assert found.version

    @pytest.mark.needs("secrets")
    def test_secrets_are_named_and_not_read(self, services: DeployedServices, region: Arranged) -> None:
        region.deploy(NAME, {"A": "1", "B": "2"})
        found = services.get(NAME)
        assert (sorted(found.secrets), dict(found.env)) == (["API_KEY"], {"A": "1", "B": "2"})
        assert sorted(found.env_order) == ["A", "API_KEY", "B"]
        assert [name for name in found.env_order if name in found.env] == ["A", "B"]
        (revision,) = services.revisions(NAME)
        assert (revision.secrets, revision.env) == (found.secrets, found.env)

    def test_a_service_that_is_not_there_is_not_found(self, services: DeployedServices) -> None:
        with pytest.raises(NotFoundError, match="nowhere"):
            services.get("nowhere")
        with pytest.raises(NotFoundError, match="nowhere"):
            services.revisions("nowhere")
        with pytest.raises(NotFoundError, match="nowhere"):
            services.change("nowhere", ServiceEdit({"A": "1"}), expected_version="1")

    def test_inv_13_variables_are_set_changed_and_removed_and_all_others_stay(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"KEPT": "1", "CHANGED": "old", "GONE": "x", "LAST": "z"})
        before = services.get(NAME)
        changes = {"CHANGED": "new", "GONE": None, "ADDED": "yes", "NEVER_THERE": None}
        after = services.change(NAME, ServiceEdit(changes), expected_version=before.version)
        assert list(after.env.items()) == [("KEPT", "1"), ("CHANGED", "new"), ("LAST", "z"), ("ADDED", "yes")]
        assert after.secrets == before.secrets
        assert after == services.get(NAME)
        assert after.version != before.version
        assert after.latest_ready_revision == after.latest_created_revision != before.latest_ready_revision

    def test_inv_13_the_way_back_brings_the_old_variables_back(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "1", "B": "2", "C": "3"})
        before = services.get(NAME)
        there = services.change(NAME, ServiceEdit({"B": None, "A": "9", "D": "4"}), expected_version=before.version)
        undo = ServiceEdit({"B": "2", "A": "1", "D": None}, env_order=before.env_order)
        back = services.change(NAME, undo, expected_version=there.version)
        assert list(back.env.items()) == list(before.env.items())
        assert back.env_order == before.env_order

    @pytest.mark.parametrize("name", ODD_VALUES)
    def test_any_value_comes_back_as_it_was_written(
        self, services: DeployedServices, region: Arranged, name: str
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        done = services.change(NAME, ServiceEdit({name: ODD_VALUES[name]}), expected_version=services.get(NAME).version)
        assert services.get(NAME).env[name] == done.env[name] == ODD_VALUES[name]

    def test_inv_13_what_somebody_else_changed_since_is_not_overwritten(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        region.set_env(NAME, A="theirs")
        with pytest.raises(PreconditionError, match=f"{NAME} was changed by someone else in the meantime"):
            services.change(NAME, ServiceEdit({"A": "ours"}), expected_version=before.version)
        assert services.get(NAME).env == {"A": "theirs"}

    def test_where_everything_is_as_wanted_nothing_is_deployed(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        assert services.change(NAME, ServiceEdit({"A": "1", "B": None}), expected_version=before.version) == before

    @pytest.mark.needs("secrets")
    @pytest.mark.parametrize("value", ["plain", None])
    def test_a_variable_from_a_secret_is_refused(
        self, services: DeployedServices, region: Arranged, value: str | None
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        with pytest.raises(DataError, match=f"API_KEY of {NAME} comes from a secret"):
            services.change(NAME, ServiceEdit({"A": "2", "API_KEY": value}), expected_version=before.version)
        assert services.get(NAME) == before

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *((name, "1") for name in sorted(RESERVED)),
            ("X_GOOGLE_ANYTHING", "1"),
            ("PORT", None),
            ("", "1"),
            ("A=B", "1"),
            ("NUL\0", "1"),
            ("A", "nul\0"),
            ("A", "x" * (MAX_BYTES + 1)),
            ("A", "é" * (MAX_BYTES // 2 + 1)),
            ("A" * (MAX_BYTES + 1), "1"),
        ],
    )
    def test_what_no_service_takes_is_refused_before_it_is_sent(
        self, services: DeployedServices, region: Arranged, name: str, value: str | None
    ) -> None:
        region.deploy(NAME, {"A": "1"})
        before = services.get(NAME)
        with pytest.raises(DataError, match="cannot be set"):
            services.change(NAME, ServiceEdit({name: value}), expected_version=before.version)
        assert services.get(NAME) == before

    def test_more_variables_than_a_service_takes_are_refused(
        self, services: DeployedServices, region: Arranged
    ) -> None:
        region.deploy(NAME, {f"V{number}": "" for number in range(MAX_VARIABLES - 1)})
        before = services.get(NAME)
        with pytest.raises(DataError, match="would have 1,001 environment variables"):
            services.change(NAME, ServiceEdit({"ONE_MORE": "1"}), expected_version=before.version)
        assert services.get(NAME) == before
