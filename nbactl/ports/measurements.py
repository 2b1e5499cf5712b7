"""The measurements port: what was measured of services and subscriptions. Numbers lag: Cloud Monitoring by minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@frozen
class RequestStats:
    """The requests of one revision in a span. Latencies are in seconds, None without requests."""

    requests: int
    errors: int
    """Answers of 500 and more."""
    p50: float | None = None
    p95: float | None = None
    since: datetime | None = None
    """Since when they were counted, where that is not the span that was asked for."""

    @property
    def error_rate(self) -> float:
        """The share of errors, from 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0


@frozen
class Backlog:
    """What waits in a subscription. None where it is not known."""

    undelivered: int | None
    oldest_age: float | None
    """Seconds since the oldest message that is not acknowledged was published; 0 or None if none waits."""


class Measurements(Protocol):
    """Reading measurements. All raise NotAuthorisedError, and UnavailableError after their retries.

    What is not measured yet is missing: a span that ends less than `lag` ago may lack its last requests.
    """

    lag: float
    """Seconds after which a measurement can be read: minutes on Cloud Monitoring, 0 where it is read at once."""

    def requests(self, service: str, since: datetime, until: datetime) -> Mapping[str, RequestStats]:
        """Return the requests of each revision that had some, by its name."""
        ...

    def instances(self, service: str, since: datetime, until: datetime) -> float | None:
        """Return the most instances of a service that ran at once, None if nothing was measured."""
        ...

    def backlogs(self) -> Mapping[str, Backlog]:
        """Return the backlog of each subscription, by its name."""
        ...
