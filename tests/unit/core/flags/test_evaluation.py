"""The order of steps: kill switch, environment, prerequisites, targeting, percent, default."""

from __future__ import annotations

from typing import Any

import pytest

from nbactl.core.flags import Evaluation, FlagSource, Reason, TargetingRule
from tests.kit.flags import flag, snapshot, state

INSIDE, OUTSIDE = "b", "f"
"""Buckets 43,881 and 76,415 of the salt `fast`."""

TARGETED = flag(
    prerequisites=("base",),
    deny=frozenset({"denied"}),
    allow=frozenset({"allowed", "denied"}),
    rules=(TargetingRule("team", ("BOS", "LAL"), serve=True), TargetingRule("rookie", (True,), serve=False)),
)
BASE = flag("base")
ON = {"base": state(100, "base")}


def test_a_flag_that_was_never_set_gives_its_default() -> None:
    assert snapshot(flag()).evaluate("fast", INSIDE) == Evaluation(
        value=False, reason=Reason.DEFAULT, bucket=None, source=FlagSource.DEFINITION, error=None
    )


def test_the_bucket_decides() -> None:
    flags = snapshot(flag(), states={"fast": state(50)})
    assert flags.evaluate("fast", INSIDE) == (True, Reason.PERCENT, 43881, FlagSource.STORE, None)
    assert flags.evaluate("fast", OUTSIDE) == (False, Reason.DEFAULT, 76415, FlagSource.STORE, None)


@pytest.mark.parametrize(("percent", "inside"), [(43.881, False), (43.882, True)])
def test_the_limit_itself_is_outside(percent: float, inside: bool) -> None:
    answer = snapshot(flag(), states={"fast": state(percent)}).evaluate("fast", INSIDE)
    assert (answer.bucket, answer.value) == (43881, inside)


@pytest.mark.parametrize("entity", [None, ""])
def test_without_an_entity_nothing_is_guessed(entity: str | None) -> None:
    flags = snapshot(flag(), states={"fast": state(99.999)})
    assert flags.evaluate("fast", entity) == (False, Reason.NO_ENTITY, None, FlagSource.STORE, None)


@pytest.mark.parametrize(("percent", "value"), [(0, False), (100, True)])
def test_where_all_are_treated_alike_no_entity_is_needed(percent: float, value: bool) -> None:
    assert snapshot(flag(), states={"fast": state(percent)}).evaluate("fast").value is value


def test_the_stored_salt_counts_so_that_an_edited_file_reshuffles_nobody() -> None:
    edited = snapshot(flag(salt="pepper"), states={"fast": state(50)})
    assert edited.evaluate("fast", INSIDE).bucket == 43881


def test_a_hash_version_from_the_future_is_off_and_says_so() -> None:
    flags = snapshot(flag(), states={"fast": state(100, hash_version=2)})
    value, reason, _, _, error = flags.evaluate("fast", INSIDE)
    assert (value, reason) == (False, Reason.ERROR)
    assert error == "fast is off: its buckets have hash version 2, which is not known here"
    assert flags.problems == (error,)


@pytest.mark.parametrize(
    ("given", "environ", "entity", "attributes", "reason", "value"),
    [
        (state(100, enabled=False), {"ENABLE_FAST": "true"}, "allowed", {"team": "BOS"}, "disabled", False),
        (state(0), {"ENABLE_FAST": "true", "ENABLE_BASE": "false"}, "denied", {}, "environment", True),
        (state(100), {"ENABLE_FAST": "off"}, "allowed", {}, "environment", False),
        (state(100), {"ENABLE_BASE": "false"}, "allowed", {"team": "BOS"}, "prerequisite", False),
        (state(100), {}, "denied", {"team": "BOS"}, "denied", False),
        (state(0), {}, "allowed", {"rookie": True}, "allowed", True),
        (state(0), {}, "x", {"team": "LAL", "rookie": True}, "rule", True),
        (state(100), {}, "x", {"team": "NYK", "rookie": True}, "rule", False),
        (state(100), {}, "x", {"team": "NYK", "rookie": 1}, "percent", True),
        (state(100), {}, None, {"team": ["BOS"]}, "error", False),
        (state(50), {}, INSIDE, {}, "percent", True),
        (state(50), {}, OUTSIDE, {}, "default", False),
        (state(50), {}, None, {}, "no_entity", False),
    ],
)
def test_each_step_comes_before_those_behind_it(  # noqa: PLR0917
    given: Any, environ: dict[str, str], entity: str | None, attributes: Any, reason: str, value: bool
) -> None:
    flags = snapshot(TARGETED, BASE, states={**ON, "fast": given}, environ=environ)
    answer = flags.evaluate("fast", entity, attributes)
    assert (answer.reason, answer.value) == (reason, value)


def test_a_prerequisite_is_asked_for_the_same_entity() -> None:
    needs = flag("needs", prerequisites=("fast",))
    flags = snapshot(needs, flag(), states={"fast": state(50), "needs": state(100, "needs")})
    assert flags.evaluate("needs", INSIDE).reason is Reason.PERCENT
    assert flags.evaluate("needs", OUTSIDE).reason is Reason.PREREQUISITE


def test_a_killed_prerequisite_takes_what_needs_it_along() -> None:
    flags = snapshot(TARGETED, BASE, states={"base": state(100, "base", enabled=False), "fast": state(100)})
    assert flags.evaluate("fast", "x").reason is Reason.PREREQUISITE


@pytest.mark.parametrize(("value", "on"), [("average", False), ("ensemble", True)])
def test_a_flag_of_variants_counts_as_on_when_it_serves_another_value_than_its_default(value: str, on: bool) -> None:
    model = flag("model", kind="string", default="average", treatment="ensemble", variants=("average", "ensemble"))
    needs = flag("needs", prerequisites=("model",))
    states = {"needs": state(100, "needs")}
    flags = snapshot(model, needs, states=states, environ={"ENABLE_MODEL": value})
    assert flags.evaluate("needs", "x").value is on


def test_prerequisites_that_are_unknown_or_in_a_circle_leave_flags_off() -> None:
    one, other = flag("one", prerequisites=("other",)), flag("other", prerequisites=("one",))
    lost = flag("lost", prerequisites=("gone",))
    flags = snapshot(one, other, lost, states={key: state(100, key) for key in ("one", "other", "lost")})
    assert [flags.evaluate(key, "x").value for key in ("one", "other", "lost")] == [False, False, False]
    assert flags.evaluate("lost", "x").error == "lost is off: its prerequisite gone is unknown or in a circle"


@pytest.mark.parametrize("entity", [7, 1.5, b"x", ["x"], object(), "\ud800"])
def test_what_is_no_entity_gives_the_default_with_an_error(entity: Any) -> None:
    answer = snapshot(flag(), states={"fast": state(50)}).evaluate("fast", entity)
    assert (answer.value, answer.reason) == (False, Reason.ERROR)
    assert answer.error is not None
    assert answer.error.startswith("invalid_entity: ")


def test_a_kind_of_text_is_text() -> None:
    flags = snapshot(flag(), states={"fast": state(50)})
    kind = type("Kind", (str,), {})
    assert flags.evaluate("fast", kind(INSIDE)) == flags.evaluate("fast", INSIDE)
    assert flags.evaluate("fast", kind("")).reason is Reason.NO_ENTITY


@pytest.mark.parametrize("key", ["nothing", None, ["fast"]])
def test_an_unknown_flag_has_no_value(key: Any) -> None:
    value, reason, _, _, error = snapshot(flag()).evaluate(key, "x")
    assert (value, reason) == (None, Reason.ERROR)
    assert error is not None
    assert error.startswith("unknown_flag: ")
