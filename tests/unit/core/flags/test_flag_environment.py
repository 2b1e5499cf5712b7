from __future__ import annotations

import pytest

from tests.kit.flags import flag, snapshot, state

MODEL = flag("model", kind="string", default="average", treatment="ensemble", variants=("average", "ensemble"))
DAYS = flag("days", kind="int", default=7, treatment=14, variants=(7, 14), parameters={"TTL": 3600, "KEEP": True})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("ON", True), ("no", False), ("0", False)])
def test_a_variable_overrides_a_flag(text: str, value: bool) -> None:
    flags = snapshot(flag(), states={"fast": state(50)}, environ={"ENABLE_FAST": text})
    assert flags.evaluate("fast").value is value
    assert flags.overrides == {"fast": value}


def test_values_have_the_type_of_their_flag() -> None:
    flags = snapshot(MODEL, DAYS, environ={"ENABLE_MODEL": "ensemble", "ENABLE_DAYS": "14"})
    assert flags.evaluate("model").value == "ensemble"
    assert flags.evaluate("days").value == 14


@pytest.mark.parametrize(
    ("variable", "text", "why"),
    [
        ("ENABLE_FAST", "banana", "'banana' is neither true nor false"),
        ("ENABLE_DAYS", "many", "'many' is not a whole number"),
        ("ENABLE_DAYS", "8", "'8' is not one of 7, 14"),
        ("ENABLE_MODEL", "guess", "'guess' is not one of average, ensemble"),
        ("TTL", "1h", "'1h' is not a whole number"),
    ],
)
def test_a_variable_that_is_no_value_is_named_and_ignored(variable: str, text: str, why: str) -> None:
    flags = snapshot(flag(), MODEL, DAYS, states={"fast": state(100)}, environ={variable: text})
    assert flags.problems == (f"the environment variable {variable} is ignored: {why}",)
    assert flags.evaluate("fast").value is True
    assert flags.parameters["TTL"] == 3600


def test_an_empty_variable_is_not_set() -> None:
    flags = snapshot(flag(), states={"fast": state(100)}, environ={"ENABLE_FAST": ""})
    assert flags.overrides == {}
    assert flags.evaluate("fast").value is True


def test_parameters_come_from_the_environment_or_else_from_the_definition() -> None:
    assert snapshot(DAYS).parameters == {"TTL": 3600, "KEEP": True}
    assert snapshot(DAYS, environ={"TTL": "60", "KEEP": "no"}).parameters == {"TTL": 60, "KEEP": False}
