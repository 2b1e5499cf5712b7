"""Every key of a call policy is heeded by the policy that is built from it (invariant 22)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.policies import CallPolicies
from nbactl.errors import BreakerOpenError, NbactlError, UnavailableError
from nbactl.testing import FakeClock
from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.calls.policy import CallPolicy

PREFIX = "timeouts.yaml: call_policies.*."
FAR = 1e9


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    built = Project(tmp_path, capsys)
    built.timeouts["retry_policies"]["steady"] = {
        "attempts": 4, "base": "1s", "cap": "1s", "jitter": False, "why": "For this test",
    }  # fmt: skip
    return built


def policy(project: Project, clock: FakeClock, **keys: Any) -> CallPolicy:
    project.timeouts["call_policies"]["tried"] = {
        "total": "10m", "attempt": "task.fetch", "why": "For this test", **keys,
    }  # fmt: skip
    return CallPolicies(project.load().timeouts.calls(), clock=clock, rng=random.Random(1))["tried"]


def calls_made(tried: CallPolicy) -> int:
    """Make a call that fails each time, and count its tries."""
    count = 0

    def fail() -> None:
        nonlocal count
        count += 1
        raise UnavailableError("down")

    with pytest.raises(NbactlError):
        tried.call(fail)
    return count


@proves(PREFIX + "total", PREFIX + "attempt")
def test_inv_22_total_and_attempt(project: Project) -> None:
    clock = FakeClock()
    assert policy(project, clock).call(remaining, FAR) == 180.0
    assert policy(project, clock, attempt="connect").call(remaining, FAR) == 5.0
    retry = {"attempt": "connect", "retry": "steady"}
    assert calls_made(policy(project, clock, total="5s", **retry)) == 4
    project.timeouts["retry_policies"]["steady"] |= {"base": "2s", "cap": "2s"}
    assert calls_made(policy(project, clock, total="5s", **retry)) == 3


@proves(PREFIX + "retry", PREFIX + "retry_budget.count", PREFIX + "retry_budget.per")
def test_inv_22_retry_and_its_budget(project: Project) -> None:
    clock = FakeClock()
    assert calls_made(policy(project, clock)) == 1
    assert calls_made(policy(project, clock, retry="steady")) == 4
    assert calls_made(policy(project, clock, retry="steady", retry_budget={"count": 2, "per": "1h"})) == 3
    assert calls_made(policy(project, clock, retry="steady", retry_budget={"count": 2, "per": "2s"})) == 4


@proves(PREFIX + "breaker")
def test_inv_22_breaker(project: Project) -> None:
    project.timeouts["breakers"]["odds"]["minimum_calls"] = 2
    tried = policy(project, FakeClock(), breaker="odds")
    assert (calls_made(tried), calls_made(tried)) == (1, 1)
    with pytest.raises(BreakerOpenError, match="odds"):
        tried.call(int)


@proves(PREFIX + "throttle.count", PREFIX + "throttle.per")
def test_inv_22_throttle(project: Project) -> None:
    def waits(**throttle: Any) -> list[float]:
        clock = FakeClock()
        tried = policy(project, clock, throttle=throttle)
        for _ in range(3):
            tried.call(int)
        return clock.sleeps

    assert waits(count=2, per="10s") == [5.0]
    assert waits(count=1, per="10s") == [10.0, 10.0]
    assert waits(count=2, per="4s") == [2.0]
