from __future__ import annotations

import threading
import time

import pytest

from nbactl.core.service.health import Check, Health
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock

EVERY, TIMEOUT = 15.0, 5.0


def look(health: Health) -> None:
    """Look at everything and wait for the looks that come to an end."""
    health.run()
    give_up = time.monotonic() + 10
    while any(thread.name.startswith("nbactl-health-quick") for thread in threading.enumerate()):
        assert time.monotonic() < give_up


class Dependency:
    def __init__(self) -> None:
        self.answer: str | Exception | None = None
        self.asked = 0

    def probe(self) -> str | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def watched(clock: FakeClock, *, critical: bool = True) -> tuple[Health, Dependency]:
    dependency = Dependency()
    return Health([Check("quick", dependency.probe, TIMEOUT, critical)], clock=clock, every=EVERY), dependency


@pytest.mark.parametrize(
    ("answer", "critical", "status", "ready"),
    [
        (None, True, "pass", True),
        ("slow today", True, "warn", True),
        (UnavailableError("down"), True, "fail", False),
        (UnavailableError("down"), False, "warn", True),
        (RuntimeError("bug"), True, "fail", False),
    ],
)
def test_the_whole_fails_with_a_critical_dependency_and_is_flawed_with_any_other(
    answer: str | Exception | None, critical: bool, status: str, ready: bool
) -> None:
    health, dependency = watched(FakeClock(), critical=critical)
    dependency.answer = answer
    look(health)
    results = health.results()
    assert health.status(results) == status
    assert (health.unready(results) == []) is ready


def test_before_the_first_look_has_ended_it_is_not_ready_but_does_not_fail() -> None:
    health, _ = watched(FakeClock())
    results = health.results()
    assert health.status(results) == "warn"
    assert health.unready(results) == ["quick: not checked yet"]


def test_what_an_unknown_error_says_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    health, dependency = watched(FakeClock())
    dependency.answer = RuntimeError("postgres://user:hunter2@db")
    look(health)
    result = health.results()["quick"]
    assert result is not None
    assert result.output == "RuntimeError"
    assert "hunter2" in caplog.text


def test_a_dependency_that_recovers_is_well_again() -> None:
    health, dependency = watched(FakeClock())
    dependency.answer = UnavailableError("down")
    look(health)
    dependency.answer = None
    look(health)
    assert health.status(health.results()) == "pass"
    assert dependency.asked == 2


def test_a_look_that_hangs_fails_by_the_clock_and_is_not_begun_twice() -> None:
    clock, go, asked = FakeClock(), threading.Event(), []

    def hang() -> None:
        asked.append(1)
        assert go.wait(10)

    health = Health([Check("hanging", hang, TIMEOUT)], clock=clock, every=EVERY)
    health.run()
    try:
        clock.advance(TIMEOUT)
        assert health.results()["hanging"] is None
        clock.advance(1.0)
        result = health.results()["hanging"]
        assert result is not None
        assert (result.status, result.output) == ("fail", "no answer for 6.0s")
        health.run()
    finally:
        go.set()
    assert len(asked) == 1


def test_a_finding_that_is_not_renewed_is_reported_as_old() -> None:
    clock = FakeClock()
    health, _ = watched(clock)
    look(health)
    clock.advance(3 * EVERY + TIMEOUT)
    assert health.status(health.results()) == "pass"
    clock.advance(1.0)
    result = health.results()["quick"]
    assert result is not None
    assert result.status == "warn"
    assert result.output == "not checked for 51s"


def test_it_looks_on_its_own_and_stops_when_it_is_closed() -> None:
    looked, count = threading.Event(), []

    def probe() -> None:
        count.append(1)
        if len(count) >= 3:
            looked.set()

    health = Health([Check("quick", probe, TIMEOUT)], clock=FakeClock(), every=0.01)
    health.start()
    assert looked.wait(10)
    health.close()
    assert not any(thread.name == "nbactl-health" for thread in threading.enumerate())
