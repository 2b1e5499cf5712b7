"""The call policies of a process: one object per dependency, with one breaker, throttle and retry budget each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbactl.core._support.names import did_you_mean
from nbactl.core.calls.breaker import Breaker
from nbactl.core.calls.policy import CallPolicy
from nbactl.core.observe.events import noop_hook
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.policy import CallSettings
    from nbactl.core.observe.events import Hook


class CallPolicies:
    """Builds each policy when it is first asked for; policies that name the same breaker share it."""

    def __init__(
        self, settings: Mapping[str, CallSettings], *, clock: Clock, rng: Random, hook: Hook = noop_hook
    ) -> None:
        self.declared = settings
        """What each policy is made of, by name."""
        self._clock = clock
        self._rng = rng
        self._hook = hook
        self._lock = threading.Lock()
        self._built: dict[str, CallPolicy] = {}
        self.breakers: dict[str, Breaker] = {}
        """Those in use by name, to be shown, shared or reset."""

    def __getitem__(self, name: str) -> CallPolicy:
        """Return the policy `name`. Raises ConfigError for a name that is not declared."""
        policy = self._built.get(name)
        if policy is not None:
            return policy
        settings = self.declared.get(name)
        if settings is None:
            raise ConfigError(
                f"there is no call policy '{name}'",
                cause="It is not under call_policies in timeouts.yaml.",
                next_step=did_you_mean(name, self.declared),
            )
        with self._lock:
            if name not in self._built:
                breaker = self._breaker(settings)
                self._built[name] = CallPolicy(
                    settings, clock=self._clock, rng=self._rng, breaker=breaker, hook=self._hook
                )
            return self._built[name]

    def in_use(self) -> dict[str, CallPolicy]:
        """Return the policies that were asked for so far, by name."""
        return self._built.copy()

    def _breaker(self, settings: CallSettings) -> Breaker | None:
        if settings.breaker is None:
            return None
        known = self.breakers.get(settings.breaker.name)
        if known is None:
            known = self.breakers[settings.breaker.name] = Breaker(settings.breaker, self._clock, self._hook)
        return known
