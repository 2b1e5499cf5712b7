from __future__ import annotations

import pytest

from nbactl.errors import ConfigError
from nbactl.workflows.graph import Frontier, topological_order

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


@pytest.mark.parametrize(
    ("needs", "order"),
    [
        pytest.param({}, [], id="empty"),
        pytest.param({"b": (), "a": ()}, ["b", "a"], id="independent tasks keep their declared order"),
        pytest.param({"b": ("a",), "a": ()}, ["a", "b"], id="a need may be declared later"),
        pytest.param(DIAMOND, ["a", "b", "c", "d"], id="diamond"),
        pytest.param({"c": ("b",), "b": ("a",), "a": (), "x": ()}, ["a", "b", "c", "x"], id="earliest declared first"),
        pytest.param({"a": (), "b": ("a", "a")}, ["a", "b"], id="a need named twice counts once"),
    ],
)
def test_order_respects_needs_and_the_declared_order(needs: dict[str, tuple[str, ...]], order: list[str]) -> None:
    assert topological_order(needs) == order


@pytest.mark.parametrize("needs", [{"a": ("a",)}, {"a": ("b",), "b": ("a",)}, {"x": (), "a": ("b", "x"), "b": ("a",)}])
def test_a_circle_is_refused_by_name(needs: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"cycle: .*a"):
        topological_order(needs)


def test_a_need_that_is_no_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs ghost"):
        Frontier({"a": ("ghost",)})


def test_done_tasks_are_not_handed_out_and_open_the_way() -> None:
    frontier = Frontier(DIAMOND, done=("a", "b"))
    assert frontier.pop() == "c"
    assert frontier.pop() is None
    frontier.done("c")
    assert frontier.pop() == "d"


def test_blocking_reaches_all_that_can_no_longer_run_each_with_its_need() -> None:
    frontier = Frontier({"z": ("b",), "a": (), "b": ("a",), "other": ()})
    assert frontier.pop() == "a"
    assert frontier.block("a") == {"b": "a", "z": "b"}
    assert frontier.pop() == "other"
    assert frontier.pop() is None


def test_a_task_with_two_failed_needs_is_blocked_once() -> None:
    frontier = Frontier({"a": (), "b": (), "c": ("a", "b")})
    assert frontier.block("a") == {"c": "a"}
    assert frontier.block("b") == {}


def test_a_need_that_succeeds_does_not_revive_what_is_blocked() -> None:
    frontier = Frontier({"a": (), "b": (), "c": ("a", "b")})
    assert [frontier.pop(), frontier.pop()] == ["a", "b"]
    frontier.block("a")
    frontier.done("b")
    assert frontier.pop() is None
