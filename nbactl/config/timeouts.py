"""The model of timeouts.yaml: every duration the system uses, each with the reason for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from nbactl.config.base import Name, Seconds, Strict, Why, above, at_least, at_most, below
from nbactl.config.retention import Keep
from nbactl.core._support.durations import Interval
from nbactl.core._support.names import did_you_mean
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from nbactl.core.calls.breaker import BreakerSettings
    from nbactl.core.calls.policy import CallSettings
    from nbactl.core.calls.rate_limit import RateLimit
    from nbactl.core.calls.retry import RetryPolicy

Rate = Annotated[float, above(0), at_most(1)]


class Timeout(Strict):
    """A bound on one call. `calls` names timeouts of what it calls; each must be shorter."""

    limit: Seconds
    why: Why
    calls: tuple[str, ...] = ()
    jitter: Annotated[float, at_least(0), below(1)] = 0.0
    """For periodic work: each pause is up to this share of the limit longer or shorter."""


class Retry(Strict):
    """A named retry policy."""

    attempts: Annotated[int, at_least(1), at_most(100)]
    base: Seconds
    cap: Seconds
    factor: Annotated[float, at_least(1)] = 2.0
    jitter: bool = True
    why: Why

    def policy(self, name: str) -> RetryPolicy:
        """Return the policy under its name."""
        from nbactl.core.calls.retry import RetryPolicy  # noqa: PLC0415 - reading the file needs no call policies

        return RetryPolicy(name, self.attempts, self.base, self.factor, self.cap, jitter=self.jitter)


class DeadlineSpec(Strict):
    """A bound on a whole run."""

    limit: Seconds
    why: Why


class BreakerSpec(Strict):
    """A circuit breaker: opens at `failure_rate` or `slow_call_rate` over at least `minimum_calls` of its window."""

    failure_rate: Rate
    minimum_calls: Annotated[int, at_least(1)]
    window: Seconds
    open_for: Seconds
    probes: Annotated[int, at_least(1)] = 1
    slow_call: Seconds | None = None
    slow_call_rate: Rate = 1.0
    why: Why

    def settings(self, name: str) -> BreakerSettings:
        """Return the settings under their name."""
        from nbactl.core.calls.breaker import BreakerSettings  # noqa: PLC0415 - reading the file needs no call policies

        return BreakerSettings(
            name,
            failure_rate=self.failure_rate,
            minimum_calls=self.minimum_calls,
            open_for=self.open_for,
            window=self.window,
            probes=self.probes,
            slow_call=self.slow_call,
            slow_call_rate=self.slow_call_rate,
        )


class RateLimitSpec(Strict):
    """At most `count` at once, and as many again evenly over each `per`."""

    count: Annotated[int, at_least(1)]
    per: Seconds

    def limit(self) -> RateLimit:
        """Return what the core takes."""
        from nbactl.core.calls.rate_limit import RateLimit  # noqa: PLC0415 - reading the file needs no call policies

        return RateLimit(self.count, self.per)


class Call(Strict):
    """How one dependency is called: total deadline, then retry, then breaker and throttle, then attempt timeout."""

    total: Seconds
    attempt: str
    """A name under timeouts."""
    retry: str = "none"
    """A name under retry_policies."""
    breaker: str | None = None
    """A name under breakers."""
    throttle: RateLimitSpec | None = None
    retry_budget: RateLimitSpec | None = None
    why: Why

    def settings(self, name: str, file: TimeoutsFile) -> CallSettings:
        """Return the settings under their name, with what they name in `file`."""
        from nbactl.core.calls.policy import CallSettings  # noqa: PLC0415 - reading the file needs no call policies
        from nbactl.core.calls.retry import NO_RETRY  # noqa: PLC0415

        return CallSettings(
            name,
            total=self.total,
            retry=NO_RETRY if self.retry == "none" else file.retry_policies[self.retry].policy(self.retry),
            attempt=file[self.attempt],
            breaker=None if self.breaker is None else file.breakers[self.breaker].settings(self.breaker),
            throttle=None if self.throttle is None else self.throttle.limit(),
            retry_budget=None if self.retry_budget is None else self.retry_budget.limit(),
        )


class LeaseSpec(Strict):
    """How long a lease lives without renewal, and how often it is renewed."""

    ttl: Seconds
    renew_every: Seconds
    why: Why


class TimeoutsFile(Strict):
    """timeouts.yaml."""

    version: Literal[1]
    timeouts: dict[Name, Timeout]
    retry_policies: dict[Name, Retry]
    deadlines: dict[Name, DeadlineSpec]
    breakers: dict[Name, BreakerSpec]
    call_policies: dict[Name, Call]
    leases: dict[Name, LeaseSpec]
    retention: dict[Name, Keep]

    def __getitem__(self, name: str) -> float:
        """Return a timeout in seconds. Raises ConfigError for a name that is not declared."""
        return self._declared(name).limit

    def interval(self, name: str) -> Interval:
        """Return how often something is done again, with its jitter. Raises ConfigError as above."""
        timeout = self._declared(name)
        return Interval(timeout.limit, timeout.jitter)

    def calls(self) -> dict[str, CallSettings]:
        """Return the settings of every call policy by name."""
        return {name: call.settings(name, self) for name, call in self.call_policies.items()}

    def _declared(self, name: str) -> Timeout:
        timeout = self.timeouts.get(name)
        if timeout is None:
            raise ConfigError(
                f"there is no timeout '{name}'",
                cause="It is not under timeouts in timeouts.yaml.",
                next_step=did_you_mean(name, self.timeouts),
            )
        return timeout
