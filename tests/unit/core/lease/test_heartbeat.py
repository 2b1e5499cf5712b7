from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.core.lease.leases import Leases
from nbactl.errors import DataError, NbactlError, UnavailableError
from nbactl.testing import FakeClock, memory_documents

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pulse:
    """A heartbeat beaten by hand: ttl 30 s, renewed every 10 s."""

    def __init__(self, **more: Any) -> None:
        self.clock = FakeClock()
        self.leases = Leases(memory_documents(self.clock), self.clock, is_dead=lambda _: False)
        self.lost: list[str] = []
        self.cancels: list[int] = []
        self.asked = False
        self.heartbeat = Heartbeat(
            self.leases,
            self.leases.acquire("w", "me", 30),
            ttl=30,
            renew_every=more.get("renew_every", 10),
            poll_every=more.get("poll_every", 1),
            clock=self.clock,
            cancel_requested=more.get("cancel_requested", lambda: self.asked),
            on_cancel=lambda: self.cancels.append(1),
            on_lost=self.lost.append,
        )


def test_the_lease_is_renewed_when_it_is_time_and_not_before() -> None:
    pulse = Pulse()
    for _ in range(9):
        pulse.clock.advance(10)
        assert pulse.heartbeat.beat()
    held = pulse.leases.current("w")
    assert held is not None
    assert (held.expires_at - pulse.clock.now()).total_seconds() == 30
    pulse.clock.advance(9)
    pulse.heartbeat.beat()
    assert pulse.leases.current("w") == held


def test_inv_12_a_lease_that_was_taken_over_is_lost_at_the_next_renewal() -> None:
    pulse = Pulse()
    pulse.clock.advance(31)
    pulse.leases.acquire("w", "other", 30)
    assert not pulse.heartbeat.beat()
    assert "taken over" in pulse.lost[0]


@pytest.mark.parametrize("error", [UnavailableError("busy"), DataError("damaged")])
def test_a_store_that_is_away_is_forgiven_until_the_lease_has_run_out(
    monkeypatch: pytest.MonkeyPatch, error: NbactlError
) -> None:
    pulse = Pulse()

    def away(*_: object) -> None:
        raise error

    monkeypatch.setattr(pulse.leases, "renew", away)
    pulse.clock.advance(12)
    assert pulse.heartbeat.beat()
    pulse.clock.advance(17)
    assert pulse.heartbeat.beat()
    pulse.clock.advance(1)
    assert not pulse.heartbeat.beat()
    assert "ran out" in pulse.lost[0]


def test_a_request_to_cancel_is_passed_on_once() -> None:
    pulse = Pulse()
    pulse.heartbeat.beat()
    assert pulse.cancels == []
    pulse.asked = True
    pulse.heartbeat.beat()
    pulse.heartbeat.beat()
    assert pulse.cancels == [1]


def test_a_store_that_is_away_while_polling_is_asked_again() -> None:
    answers: Iterator[NbactlError | bool] = iter([UnavailableError("busy"), DataError("damaged"), True])

    def ask() -> bool:
        answer = next(answers)
        if isinstance(answer, NbactlError):
            raise answer
        return answer

    pulse = Pulse(cancel_requested=ask)
    assert pulse.heartbeat.beat()
    assert pulse.heartbeat.beat()
    pulse.heartbeat.beat()
    assert pulse.cancels == [1]


def test_it_beats_in_a_thread_of_its_own_and_ends_with_the_block() -> None:
    polled = threading.Event()

    def ask() -> bool:
        polled.set()
        return False

    pulse = Pulse(cancel_requested=ask, poll_every=0.001)
    with pulse.heartbeat:
        assert polled.wait(10)
    assert not any(thread.name == "nbactl-heartbeat" for thread in threading.enumerate())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_inv_12_a_heartbeat_that_breaks_costs_the_right_to_write() -> None:
    def ask() -> bool:
        raise ValueError("a bug")

    pulse = Pulse(cancel_requested=ask, poll_every=0.001)
    with pulse.heartbeat:
        pulse.heartbeat._thread.join(10)
    assert pulse.lost == ["the lease w is no longer renewed: ValueError: a bug"]
