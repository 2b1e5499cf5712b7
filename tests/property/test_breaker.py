"""The breaker against a model that keeps every call and counts afresh each time."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nbactl.errors import BreakerOpenError, UnavailableError
from tests.kit.breakers import Lab
from tests.kit.budget import budget

WINDOW, SLOW = 10.0, 2.0
ENDS = st.sampled_from(["answered", "failed", "slow", "abandoned"])


class Model(RuleBasedStateMachine):
    @initialize(
        rate=st.sampled_from([0.3, 0.5, 1.0]),
        slow_rate=st.sampled_from([0.5, 1.0]),
        minimum=st.integers(1, 4),
        probes=st.integers(1, 3),
    )
    def begin(self, rate: float, slow_rate: float, minimum: int, probes: int) -> None:
        self.lab = Lab(
            failure_rate=rate, minimum_calls=minimum, probes=probes, open_for=7.0, slow_call=SLOW,
            slow_call_rate=slow_rate, window=WINDOW,
        )  # fmt: skip
        self.rate, self.slow_rate, self.minimum, self.probes = rate, slow_rate, minimum, probes
        self.state, self.until = "closed", 0.0
        self.calls: list[tuple[int, bool, bool]] = []
        self.under_way: list[tuple[int, float, int]] = []  # ticket, began, era
        self.era = self.let_through = self.good = 0

    @property
    def now(self) -> float:
        return self.lab.clock.monotonic()

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 7.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.lab.clock.advance(seconds)

    @rule()
    def begin_call(self) -> None:
        used_up = self.state == "open" or (self.state == "half_open" and self.let_through == self.probes)
        if used_up and self.now >= self.until:
            self._become("half_open")
        allowed = self.state == "closed" or (self.state == "half_open" and self.let_through < self.probes)
        try:
            ticket = self.lab.breaker.admit()
        except BreakerOpenError:
            assert not allowed
            return
        assert allowed
        self.let_through += self.state == "half_open"
        self.under_way.append((ticket, self.now, self.era))

    @precondition(lambda self: bool(getattr(self, "under_way", ())))
    @rule(data=st.data(), end=ENDS)
    def end_call(self, data: st.DataObject, end: str) -> None:
        ticket, began, era = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if end == "abandoned":
            self.lab.breaker.abandon(ticket)
            self.let_through -= self.state == "half_open" and era == self.era
            return
        if end == "slow":
            self.lab.clock.advance(SLOW)
        failed, slow = end == "failed", self.now - began >= SLOW
        self.lab.breaker.ended(ticket, began, UnavailableError("down") if failed else None)
        if era == self.era:
            self._count(failed, slow)

    @rule()
    def reset(self) -> None:
        self.lab.breaker.reset()
        self._become("closed")

    @invariant()
    def same_state(self) -> None:
        if hasattr(self, "lab"):
            assert self.lab.state == self.state

    def _count(self, failed: bool, slow: bool) -> None:
        if self.state == "half_open":
            self.good += not (failed or slow)
            if failed or slow:
                self._become("open")
            elif self.good == self.probes:
                self._become("closed")
            return
        part = int(self.now * 10 / WINDOW)
        self.calls.append((part, failed, slow))
        recent = [call for call in self.calls if call[0] > part - 10]
        failures, slows = sum(call[1] for call in recent), sum(call[2] for call in recent)
        too_much = failures / len(recent) >= self.rate or slows / len(recent) >= self.slow_rate
        if len(recent) >= self.minimum and too_much:
            self._become("open")

    def _become(self, state: str) -> None:
        self.state, self.until = state, self.now + 7.0
        self.era += 1
        self.let_through = self.good = 0
        if state == "closed":
            self.calls.clear()


TestBreakerModel = Model.TestCase
TestBreakerModel.settings = budget(60, steps=40)
