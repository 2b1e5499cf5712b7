"""What the variables of deployed services should be, and what `flags drift` says of them."""

from __future__ import annotations

from typing import Any

import pytest

from nbactl.checks.flag_services import ServiceComparison
from nbactl.config.flag_variables import everybody_gets, variables_of
from nbactl.core.flags import State, Stored
from nbactl.ports.services import DeployedService, Traffic
from tests.kit.flags import state
from tests.unit.checks.test_flags import declared, flags_file

FAST = flags_file(fast=declared("fast", parameters={"TTL": 3600}))
RULE = {"attribute": "team", "in": ("BOS",)}
OFF = state(enabled=False)


def service(env: dict[str, str] | None = None, name: str = "scrapers", **given: Any) -> DeployedService:
    fields: dict[str, Any] = {
        "url": "",
        "secrets": frozenset(),
        "latest_ready_revision": "r-2",
        "latest_created_revision": "r-2",
        "traffic": [Traffic(100, None)],
        "version": "1",
    }
    return DeployedService(name, env=env or {}, **{**fields, **given})


@pytest.mark.parametrize(
    ("given", "declaration", "expected"),
    [
        (None, {}, False),
        (state(0), {}, False),
        (OFF, {}, False),
        (state(50), {}, None),
        (state(99.999), {}, None),
        (state(100), {}, True),
        (state(0), {"targeting": {"allow": ("a",)}}, None),
        (state(0), {"targeting": {"rules": (RULE,)}}, None),
        (state(0), {"targeting": {"deny": ("a",)}}, False),
        (state(100), {"targeting": {"deny": ("a",)}}, None),
        (state(100), {"targeting": {"rules": (RULE,)}}, None),
        (state(100), {"targeting": {"allow": ("a",)}}, True),
        (OFF, {"targeting": {"allow": ("a",)}}, False),
        (state(100), {"type": "string", "default": "a", "treatment": "b", "variants": ("a", "b")}, "b"),
    ],
)
def test_a_variable_may_stand_only_where_everybody_gets_the_same(
    given: State | None, declaration: dict[str, Any], expected: object
) -> None:
    file = flags_file(fast=declared("fast", **declaration))
    assert everybody_gets("fast", file, Stored({} if given is None else {"fast": given})) == expected


@pytest.mark.parametrize(("base", "expected"), [(0, False), (50, None), (100, True)])
def test_what_a_flag_needs_decides_with_it(base: float, expected: object) -> None:
    file = flags_file(base=declared("base"), fast=declared("fast", prerequisites=("base",)))
    stored = Stored({"fast": state(100), "base": state(base, "base")})
    assert everybody_gets("fast", file, stored) is expected


@pytest.mark.parametrize(
    ("given", "env", "standing", "wanted"),
    [
        (state(50), {}, "unset", None),
        (state(50), {"ENABLE_FAST": ""}, "unset", ""),
        (state(50), {"ENABLE_FAST": "true"}, "differs", None),
        (state(50), {"ENABLE_FAST": "false"}, "differs", None),
        (state(50), {"ENABLE_FAST": "so"}, "invalid", None),
        (state(100), {"ENABLE_FAST": "so"}, "invalid", "true"),
        (state(100), {"ENABLE_FAST": "1"}, "in_line", "1"),
        (state(100), {"ENABLE_FAST": "false"}, "differs", "true"),
        (state(0), {"ENABLE_FAST": "Off"}, "in_line", "Off"),
        (state(0), {"ENABLE_FAST": "true"}, "differs", "false"),
        (OFF, {"ENABLE_FAST": "true"}, "differs", "false"),
        (None, {"ENABLE_FAST": "true"}, "no_opinion", "true"),
        (None, {"ENABLE_FAST": "so"}, "no_opinion", "so"),
        (None, {}, "unset", None),
    ],
)
def test_a_switch_is_set_to_what_everybody_gets_or_removed(
    given: State | None, env: dict[str, str], standing: str, wanted: str | None
) -> None:
    stored = Stored({} if given is None else {"fast": given})
    switch, _ = variables_of(service(env), FAST, stored)
    assert (switch.name, switch.standing, switch.wanted) == ("ENABLE_FAST", standing, wanted)
    assert switch.contradicts is (standing in ("differs", "invalid"))


@pytest.mark.parametrize(
    ("env", "standing", "wanted"),
    [
        ({}, "unset", None),
        ({"TTL": "3600"}, "in_line", "3600"),
        ({"TTL": "03600"}, "in_line", "03600"),
        ({"TTL": "60"}, "differs", "3600"),
        ({"TTL": "1h"}, "invalid", "3600"),
    ],
)
def test_a_parameter_takes_its_value_of_the_file(env: dict[str, str], standing: str, wanted: str | None) -> None:
    _, parameter = variables_of(service(env), FAST, Stored({"fast": state(0)}))
    assert (parameter.name, parameter.standing, parameter.wanted) == ("TTL", standing, wanted)


def test_what_comes_from_a_secret_or_has_no_readable_state_is_left_alone() -> None:
    secret = service(secrets=frozenset({"ENABLE_FAST", "TTL"}))
    assert [(each.standing, each.contradicts) for each in variables_of(secret, FAST, Stored({"fast": state(0)}))] == [
        ("secret", False),
        ("secret", False),
    ]
    damaged = Stored({}, {"fast": "flags/fast cannot be read"})
    switch, _ = variables_of(service({"ENABLE_FAST": "true"}), FAST, damaged)
    assert (switch.standing, switch.contradicts) == ("unknown", False)


def found(*services: DeployedService, stored: Stored | None = None, names: tuple[str, ...] = ("scrapers",)) -> Any:
    comparison = ServiceComparison(
        FAST, stored or Stored({"fast": state(0)}), names, lambda verb, name, *more: " ".join((verb, name, *more))
    )
    return [(each.key, each.kind, each.message, each.service) for each in comparison.findings(services)]


@pytest.mark.parametrize(
    ("given", "env", "kind", "message"),
    [
        (
            state(50),
            {"ENABLE_FAST": "true"},
            "environment",
            "fast is at 50 % in the store, and ENABLE_FAST=true on scrapers wins there",
        ),
        (
            OFF,
            {"ENABLE_FAST": "true"},
            "environment",
            "fast is off, and ENABLE_FAST=true on scrapers: the kill switch wins over it",
        ),
        (
            state(50),
            {"ENABLE_FAST": "so"},
            "environment",
            "ENABLE_FAST is ignored on scrapers: 'so' is neither true nor false",
        ),
        (state(50), {"TTL": "60"}, "parameter", "TTL is 60 on scrapers: flags.yaml says 3600"),
    ],
)
def test_drift_names_service_flag_and_what_wins(given: State, env: dict[str, str], kind: str, message: str) -> None:
    assert found(service(env), stored=Stored({"fast": given})) == [("fast", kind, message, "scrapers")]


def test_a_service_that_is_in_line_is_no_drift() -> None:
    assert found(service({"ENABLE_FAST": "false", "TTL": "3600", "OTHER": "x"})) == []


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (service(unreadable="no port"), "unreadable", "scrapers is not compared: no port"),
        (
            service(secrets=frozenset({"TTL"})),
            "not_compared",
            "TTL of scrapers is not compared: its value comes from a secret",
        ),
        (
            service(problem="It crashed."),
            "not_ready",
            "the latest revision of scrapers is not ready, its variables are not in force: It crashed.",
        ),
        (
            service(is_reconciling=True),
            "not_ready",
            "scrapers is being deployed right now; its variables are not in force yet",
        ),
        (
            service(traffic=[Traffic(90, "r-1"), Traffic(10, None)]),
            "traffic",
            "the latest revision of scrapers gets 10 % of its requests; those of r-1 are not compared",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(given: DeployedService, kind: str, message: str) -> None:
    [(_, found_kind, found_message, name)] = found(given)
    assert (found_kind, found_message, name) == (kind, message, "scrapers")


def test_services_that_are_missing_or_nobody_declared_are_said() -> None:
    stranger = service({"ENABLE_FAST": "true", "PASSWORD": "hush"}, name="worker")
    bystander = service({"OTHER": "x"}, name="website")
    assert [(kind, name) for _, kind, _, name in found(stranger, bystander)] == [
        ("not_deployed", "scrapers"),
        ("undeclared", "worker"),
    ]
    assert "hush" not in str(found(stranger, bystander))
