"""Every key of a breaker is heeded by the breaker that is built from it (invariant 22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.config.keys import proves
from tests.integration.config.project import Project
from tests.kit.breakers import Lab

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "timeouts.yaml: breakers.*."


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    return Project(tmp_path, capsys)


def lab(project: Project, **keys: Any) -> Lab:
    """Build the breaker that the file describes with `keys` changed; None leaves one out."""
    base = {"failure_rate": 0.5, "minimum_calls": 4, "window": "60s", "open_for": "30s", "why": "For this test"}
    entry = {key: value for key, value in {**base, **keys}.items() if value is not None}
    project.timeouts["breakers"]["tried"] = entry
    return Lab(project.load().timeouts.breakers["tried"].settings("tried"))


@proves(PREFIX + "failure_rate", PREFIX + "minimum_calls")
def test_inv_22_failure_rate_and_minimum_calls(project: Project) -> None:
    for keys, failures in (({}, 4), ({"minimum_calls": 6}, 6), ({"failure_rate": 0.9}, 18)):
        tried = lab(project, **keys)
        tried.good(2 if keys.get("failure_rate") else 0)
        tried.bad(failures - 1)
        assert tried.state == "closed"
        tried.bad()
        assert tried.state == "open", keys


@proves(PREFIX + "window")
def test_inv_22_window(project: Project) -> None:
    def after_a_pause(seconds: float, **keys: Any) -> str:
        tried = lab(project, **keys)
        tried.bad(3)
        tried.clock.advance(seconds)
        tried.bad(1)
        return tried.state

    assert after_a_pause(59.0) == "open"
    assert after_a_pause(61.0) == "closed"
    assert after_a_pause(61.0, window="2m") == "open"


@proves(PREFIX + "open_for", PREFIX + "probes")
def test_inv_22_open_for_and_probes(project: Project) -> None:
    tried = lab(project, open_for="45s", probes=2)
    tried.trip()
    assert tried.breaker.status().wait == 45.0
    tried.clock.advance(45)
    tried.good(1)
    assert tried.state == "half_open"
    tried.good(1)
    assert tried.state == "closed"


@proves(PREFIX + "slow_call", PREFIX + "slow_call_rate")
def test_inv_22_slow_calls(project: Project) -> None:
    def after_slow_ones(count: int, **keys: Any) -> str:
        tried = lab(project, **keys)
        tried.good(4 - count)
        tried.good(count, takes=3.0)
        return tried.state

    assert after_slow_ones(4) == "closed"
    assert after_slow_ones(4, slow_call="3s") == "open"
    assert after_slow_ones(3, slow_call="3s") == "closed"
    assert after_slow_ones(3, slow_call="3s", slow_call_rate=0.75) == "open"
