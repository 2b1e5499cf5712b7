"""What `nbactl flags check` and `drift` find."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.checks.code.flag_uses import find_uses, meant
from nbactl.checks.flags import drift, life_cycle
from nbactl.config.flags import FlagsFile
from nbactl.core.flags import State, Stored
from nbactl.errors import NotFoundError
from tests.kit.config_models import model_of
from tests.kit.flags import NOW, state

if TYPE_CHECKING:
    from pathlib import Path

MONTH = 30 * 86400.0
TODAY = date(2024, 1, 15)


def declared(key: str, **given: Any) -> dict[str, Any]:
    return {
        "description": "Something for tests",
        "default": False,
        "salt": key,
        "owner": "pipeline",
        "expires": "2024-06-30",
        "env": f"ENABLE_{key.upper()}",
        "entity": "player",
        "rollout": "staged",
        **given,
    }


def flags_file(**flags: dict[str, Any]) -> FlagsFile:
    guard = {"metric": "duplicate_rate", "above": 0.1, "window": "1h", "minimum_sample": 1}
    plan = {"stages": ({"percent": 100, "bake": "1h"},), "guards": ("g",)}
    rollout = {"active": (), "plans": {"staged": plan}, "guards": {"g": guard}}
    return model_of(FlagsFile, {"version": 1, "flags": flags, "rollout": rollout})


def found(file: FlagsFile, stored: Stored | dict[str, State] | None = None) -> list[tuple[str | None, str, str]]:
    stored = stored if isinstance(stored, Stored) else Stored(stored or {})
    findings = life_cycle(file, stored, now=NOW, today=TODAY, stale_after=MONTH)
    return [(each.key, each.kind, each.message) for each in findings]


FAST = flags_file(fast=declared("fast"))


def test_flags_that_nobody_touched_are_as_they_should_be() -> None:
    assert found(FAST) == []


def test_a_flag_is_expired_on_the_day_after_its_last() -> None:
    assert found(flags_file(fast=declared("fast", expires="2024-01-15"))) == []
    assert found(flags_file(fast=declared("fast", expires="2024-01-14"))) == [
        ("fast", "expired", "fast is no longer needed: it should have been removed from the code by 2024-01-14")
    ]


@pytest.mark.parametrize(
    ("percent", "enabled", "days", "told"),
    [
        (100, True, 31, "everyone has had it for 31 days"),
        (50, True, 31, "its rollout has been at 50 % for 31 days"),
        (100, True, 30, None),
        (0, True, 31, None),
        (100, False, 31, None),
    ],
)
def test_a_flag_that_nobody_moved_for_long_is_stale(percent: float, enabled: bool, days: int, told: str | None) -> None:
    moved = state(percent, enabled=enabled, updated_at=NOW - timedelta(days=days))
    expected = [] if told is None else [("fast", "stale", f"fast is no longer needed: {told}")]
    assert found(FAST, {"fast": moved}) == expected


def test_flags_in_the_store_that_nobody_declared_are_unknown_until_they_are_switched_off() -> None:
    assert found(FAST, {"gone": state(10)}) == [
        ("gone", "unknown", "gone is in the store (10 %, set by operator@host), but not in flags.yaml")
    ]
    assert found(FAST, {"gone": state(0, enabled=False)}) == []


def test_a_damaged_state_is_found() -> None:
    assert found(FAST, Stored({}, {"fast": "flags/fast cannot be read"})) == [
        ("fast", "unreadable", "flags/fast cannot be read")
    ]


def test_a_flag_ahead_of_what_it_needs_is_held_back() -> None:
    file = flags_file(base=declared("base"), fast=declared("fast", prerequisites=("base",)))
    assert found(file, {"fast": state(50), "base": state(10, "base")})[0] == (
        "fast",
        "prerequisite",
        "fast is at 50 %, but needs base, which is at 10 %: it is on only where both are",
    )
    assert [kind for _, kind, _ in found(file, {"fast": state(100), "base": state(100, "base")})] == []
    other = flags_file(base=declared("base", entity="batch"), fast=declared("fast", prerequisites=("base",)))
    [(_, kind, message)] = found(other, {"fast": state(100), "base": state(100, "base")})
    assert kind == "prerequisite"
    assert message.startswith("fast is per player, but needs base, which is per batch")


def test_rollouts_over_the_same_entities_overlap() -> None:
    file = flags_file(a=declared("a"), b=declared("b"), c=declared("c", entity="batch"), d=declared("d"))
    states = {"a": state(10), "b": state(50), "c": state(50), "d": state(100)}
    assert found(file, states) == [("a,b", "overlapping", "a, b are being rolled out over player at the same time")]


def test_flags_with_one_salt_reach_the_same_entities() -> None:
    file = flags_file(a=declared("a"), b=declared("b", salt="a"))
    assert found(file) == [("a,b", "same_salt", "a and b have the same salt, so both reach the same entities first")]


@pytest.mark.parametrize(
    ("given", "environ", "kind", "told"),
    [
        (state(50, salt="old"), {}, "salt", "fast is bucketed by 'old' in the store, by 'fast' in flags.yaml"),
        (
            state(50),
            {"ENABLE_FAST": "1"},
            "environment",
            "fast is at 50 % in the store, and true in the environment: ENABLE_FAST=true wins here",
        ),
        (
            state(100),
            {"ENABLE_FAST": "0"},
            "environment",
            "fast is at 100 % in the store, and false in the environment: ENABLE_FAST=false wins here",
        ),
        (
            state(enabled=False),
            {"ENABLE_FAST": "1"},
            "environment",
            "fast is off in the store, and true in the environment: the kill switch wins over ENABLE_FAST",
        ),
        (
            state(50),
            {"ENABLE_FAST": "so"},
            "environment",
            "the environment variable ENABLE_FAST is ignored: 'so' is neither true nor false",
        ),
        (state(50), {"TTL": "60"}, "parameter", "TTL is 60 in the environment, 3600 in flags.yaml"),
        (state(50), {"TTL": "1h"}, "parameter", "the environment variable TTL is ignored: '1h' is not a whole number"),
    ],
)
def test_drift_names_what_differs_and_what_wins(given: State, environ: dict[str, str], kind: str, told: str) -> None:
    file = flags_file(fast=declared("fast", parameters={"TTL": 3600}))
    assert [(each.kind, each.message) for each in drift(file, Stored({"fast": given}), environ)] == [(kind, told)]


@pytest.mark.parametrize(("percent", "text"), [(100, "true"), (0, "false")])
def test_an_environment_that_says_the_same_is_no_drift(percent: float, text: str) -> None:
    stored = Stored({"fast": replace(state(), percent=float(percent))})
    assert list(drift(FAST, stored, {"ENABLE_FAST": text})) == []


def test_uses_in_code_are_found(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text('if flags.on("fast", player):\n    self.flags.value("modle", "x")\n')
    (tmp_path / "other.py").write_text('"""fast2 is a flag"""\nX = "ENABLE_OTHER"\nlist.on("no")\n')
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "lib.py").write_text('flags.on("theirs")\n')
    uses = find_uses([tmp_path], {"fast", "model"})
    assert uses.files == 3
    assert {"fast", "ENABLE_OTHER"} <= uses.texts
    assert "fast2" not in uses.texts
    assert [(path.name, line, key) for path, line, key in uses.unknown] == [("service.py", 2, "modle")]
    assert [path.name for path, _ in uses.unparsed] == ["broken.py"]
    assert meant("modle", {"fast", "model"}) == "Did you mean 'model'?"


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no"):
        find_uses([tmp_path / "gone"], {})
