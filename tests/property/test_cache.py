"""TtlCache against a dictionary that remembers when each value was put and asked for."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nbactl.core.calls.cache import TtlCache
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock
from tests.kit.budget import budget

KEYS = st.sampled_from("abcde")
TTL, SIZE = 60, 3


class CacheMachine(RuleBasedStateMachine):
    """Time is whole seconds; `model` is in the order in which keys were asked for last."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.told: list[str] = []
        self.cache: TtlCache[str, int] = TtlCache(
            "model",
            self.clock,
            ttl=TTL,
            max_size=SIZE,
            hook=lambda event: self.told.append(event.kind),
        )
        self.model: dict[str, tuple[int, float]] = {}
        self.expected: list[str] = []
        self.now = 0.0
        self.number = 0

    @rule(seconds=st.integers(1, 70))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.now += seconds

    @rule(key=KEYS, ttl=st.sampled_from([None, 5, 90]))
    def get(self, key: str, ttl: int | None) -> None:
        self.number += 1
        fresh = self._ask(key)
        value = self.cache.get(key, lambda: self.number, ttl=ttl)
        if fresh:
            assert value == self.model[key][0]
            self.expected.append("cache.hit")
            return
        assert value == self.number
        self.expected.append("cache.miss")
        self._keep(key, value, ttl)

    @rule(key=KEYS)
    def get_while_the_load_fails(self, key: str) -> None:
        def load() -> int:
            raise UnavailableError("down")

        fresh = self._ask(key)
        try:
            assert self.cache.get(key, load) == self.model[key][0]
        except UnavailableError:
            assert not fresh
            self.expected.append("cache.miss")
        else:
            assert fresh
            self.expected.append("cache.hit")

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.cache.forget(key)
        self.model.pop(key, None)

    @invariant()
    def it_told_what_happened_and_keeps_what_it_should(self) -> None:
        assert self.told == self.expected
        assert len(self.cache) == len(self.model) <= SIZE
        assert not self.cache._flights

    def _ask(self, key: str) -> bool:
        """Note that `key` was asked for; says whether it is fresh."""
        if key in self.model:
            self.model[key] = self.model.pop(key)
        return key in self.model and self.now < self.model[key][1]

    def _keep(self, key: str, value: int, ttl: int | None) -> None:
        self.model.pop(key, None)
        self.model[key] = (value, self.now + (TTL if ttl is None else ttl))
        if len(self.model) > SIZE:
            self.model.pop(next(iter(self.model)))


TestCacheModel = CacheMachine.TestCase
TestCacheModel.settings = budget(60, steps=40)
