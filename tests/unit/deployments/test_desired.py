"""The comparison of a deployed service with what workflows.yaml declares of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nbactl.config.deployed import DeployedSpec
from nbactl.config.loader import load_config
from nbactl.deployments.desired import UNREAD, Difference, desired_state, differences, edit_for, tag_of
from nbactl.ports.services import DeployedService, Traffic

SERVICE = DeployedService(
    "worker",
    "https://worker.example",
    {"MODE": "fast", "OTHER": "1"},
    frozenset({"KEY"}),
    "worker-2",
    "worker-2",
    (Traffic(100, None),),
    "1",
    image="us-docker.pkg.dev/p/r/worker:v7",
    settings={"min_instances": 1, "max_instances": 20, "concurrency": 80, "timeout": 300.0},
)


def found(service: DeployedService = SERVICE, /, **declared: Any) -> list[Difference]:
    return differences(service, desired_state(DeployedSpec(**declared), load_config(None).timeouts))


def test_what_is_not_declared_is_not_compared() -> None:
    assert found() == []


def test_what_is_as_declared_is_no_difference() -> None:
    declared = {"min_instances": 1, "max_instances": 20, "concurrency": 80, "timeout": "task.worker"}
    assert found(**declared, env={"MODE": "fast"}, image_tag="v7") == []


@pytest.mark.parametrize(
    ("name", "declared", "wanted", "has"),
    [
        ("min_instances", 2, 2, 1),
        ("max_instances", 10, 10, 20),
        ("concurrency", 1, 1, 80),
        ("timeout", "task.raw", 540.0, 300.0),
    ],
)
def test_each_setting_is_compared(name: str, declared: object, wanted: float, has: float) -> None:
    assert found(**{name: declared}) == [Difference("setting", name, wanted, has)]


def test_a_deploy_that_reset_the_minimum_instances_is_seen() -> None:
    reset = replace(SERVICE, settings={**SERVICE.settings, "min_instances": None})
    assert found(reset, min_instances=1) == [Difference("setting", "min_instances", 1, 0)]
    assert found(reset, min_instances=0) == []


def test_other_settings_that_are_not_set_differ_from_any_value() -> None:
    assert found(replace(SERVICE, settings={}), max_instances=5) == [Difference("setting", "max_instances", 5, None)]


def test_variables_are_compared_by_name() -> None:
    assert found(env={"MODE": "slow", "LOST": "x"}) == [
        Difference("variable", "LOST", "x", None),
        Difference("variable", "MODE", "slow", "fast"),
    ]


def test_a_variable_from_a_secret_differs_and_nbactl_does_not_change_it() -> None:
    (difference,) = found(env={"KEY": "x"})
    assert difference.found == UNREAD
    assert difference.obstacle is not None
    assert edit_for([difference]).env == {}


def test_variables_of_a_container_that_is_not_clear_are_not_changed() -> None:
    unclear = replace(SERVICE, env={}, unreadable="two containers have a port")
    (difference,) = found(unclear, env={"MODE": "fast"})
    assert difference.obstacle == "two containers have a port"


def test_the_edit_has_what_differs_and_nothing_else() -> None:
    edit = edit_for(found(min_instances=1, max_instances=10, env={"MODE": "slow"}, image_tag="v8"))
    assert edit.settings == {"max_instances": 10}
    assert edit.env == {"MODE": "slow"}
    assert edit.traffic is None


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("us-docker.pkg.dev/p/r/worker:v7", "v7"),
        ("localhost:5000/worker", None),
        ("localhost:5000/worker:v7@sha256:0123456789abcdef", "v7"),
        ("us-docker.pkg.dev/p/r/worker@sha256:0123456789abcdef", "sha256:0123456789ab"),
    ],
)
def test_the_tag_of_an_image(image: str, tag: str | None) -> None:
    assert tag_of(image) == tag


def test_an_image_deployed_by_digest_is_known_by_its_commit() -> None:
    by_digest = replace(SERVICE, image="p/worker@sha256:0123456789abcdef", labels={"commit-sha": "0123abcd4567"})
    assert found(by_digest, image_tag="0123abc") == []
    assert [one.found for one in found(by_digest, image_tag="v7")] == ["sha256:0123456789ab"]
