"""The model of timeouts.yaml: every duration the system uses, each with the reason for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nbactl.config.base import Name, Seconds, Strict
from nbactl.core.retry import RetryPolicy


class Timeout(Strict):
    """A bound on one call. `calls` names timeouts of what it calls; each must be shorter."""

    limit: Seconds
    why: str = Field(min_length=10)
    calls: tuple[str, ...] = ()


class Retry(Strict):
    """A named retry policy."""

    attempts: Annotated[int, Field(ge=1, le=100)]
    base: Seconds
    cap: Seconds
    factor: Annotated[float, Field(ge=1)] = 2.0
    jitter: bool = True
    why: str = Field(min_length=10)

    def policy(self, name: str) -> RetryPolicy:
        """Return the policy under its name."""
        return RetryPolicy(name, self.attempts, self.base, self.factor, self.cap, jitter=self.jitter)


class Deadline(Strict):
    """A bound on a whole run."""

    limit: Seconds
    why: str = Field(min_length=10)


class Breaker(Strict):
    """A circuit breaker's settings: opens at `failure_rate` over at least `minimum_calls` within `window`."""

    failure_rate: Annotated[float, Field(gt=0, le=1)]
    minimum_calls: Annotated[int, Field(ge=1)]
    window: Seconds
    open_for: Seconds
    probes: Annotated[int, Field(ge=1)] = 1
    why: str = Field(min_length=10)


class Lease(Strict):
    """How long a lease lives without renewal, and how often it is renewed."""

    ttl: Seconds
    renew_every: Seconds
    why: str = Field(min_length=10)


class TimeoutsFile(Strict):
    """timeouts.yaml."""

    version: Literal[1]
    timeouts: dict[Name, Timeout]
    retry_policies: dict[Name, Retry]
    deadlines: dict[Name, Deadline]
    breakers: dict[Name, Breaker]
    leases: dict[Name, Lease]

    def __getitem__(self, name: str) -> float:
        """Return a timeout in seconds."""
        return self.timeouts[name].limit
