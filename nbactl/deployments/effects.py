"""What a change of instances is expected to do: requests at once, players a minute, the cost of instances that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.deployments.prices import instance_prices
from nbactl.frozen import frozen
from nbactl.ports.service_rules import processes_of
from nbactl.ports.services import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from nbactl.ports.measurements import RequestStats
    from nbactl.ports.services import DeployedService, SettingName, Settings

MOST_INSTANCES: Final = 100
CONCURRENCY: Final = 80
"""What Cloud Run takes where nothing is set: https://cloud.google.com/run/docs/configuring/max-instances-limits,
https://cloud.google.com/run/docs/about-concurrency."""
ASSUMED: Final = Resources(1.0, 0.5)
"""What an instance has where that is not known: the defaults of Cloud Run
(https://cloud.google.com/run/docs/configuring/services/memory-limits)."""


@frozen
class Capacity:
    """What a service can do with its settings."""

    instances: int
    concurrency: int
    minimum: int
    """Instances that run without a request."""
    a_minute: float | None
    """Requests that it can answer in a minute at most; None where it is not known how long one takes."""
    cost: Decimal
    """Of the minimum instances in a month, in US dollars."""

    @property
    def workers(self) -> int:
        """Requests that it takes at once."""
        return self.instances * self.concurrency


@frozen
class ScaleEffect:
    """What is expected of new settings. `measured` says whether `seconds` were measured, or are typical."""

    before: Capacity
    after: Capacity
    seconds: float | None
    measured: bool
    requests: str
    """What a request is: `players` or `requests`."""
    resources: Resources
    assumed: bool
    """Whether the resources are Cloud Run's defaults, because those of the service are not known."""
    as_of: str

    def sentences(self) -> Iterator[str]:
        """Yield what it means, for a person."""
        before, after = self.before, self.after
        yield (
            f"workers: {after.instances} instances of {after.concurrency} at once = {after.workers:,} {self.requests}, "
            f"now {before.workers:,}"
        )
        if self.seconds is None or after.a_minute is None or before.a_minute is None:
            yield f"{self.requests} a minute: not known, because no request was measured"
        else:
            how = "measured" if self.measured else "typical, nothing was measured"
            yield (
                f"{self.requests} a minute: at most {after.a_minute:,.0f}, now {before.a_minute:,.0f} "
                f"({self.seconds:.3g} s each, {how})"
            )
        shape = f"{self.resources.cpu:g} vCPU, {self.resources.memory:g} GiB"
        billing = "instance-based billing" if self.resources.always_billed else "idle, request-based billing"
        unsure = ", the defaults, because those of the service are not known" if self.assumed else ""
        yield (
            f"minimum instances: {after.minimum} cost about ${after.cost} a month, now ${before.cost} "
            f"({shape}{unsure}; {billing}; prices of {self.as_of})"
        )


def scale_effect(service: DeployedService, wanted: Settings, measured: Mapping[str, RequestStats]) -> ScaleEffect:
    """Return what new settings are expected to do. `measured` are the requests of its revisions lately."""
    prices = instance_prices()
    resources = service.resources or ASSUMED
    seconds = typical_seconds(measured)
    typical = prices.typical_seconds.get(service.name)
    each = seconds if seconds is not None else typical

    def capacity(settings: Settings) -> Capacity:
        instances, concurrency = _of(settings, "max_instances"), _of(settings, "concurrency")
        minimum = int(settings.get("min_instances") or 0)
        a_minute = None if not each else instances * concurrency * 60 / each
        cost = prices.a_month(service.region, resources, minimum)
        return Capacity(instances, concurrency, minimum, a_minute, cost)

    return ScaleEffect(
        before=capacity(service.settings),
        after=capacity({**service.settings, **wanted}),
        seconds=each,
        measured=seconds is not None,
        requests="players" if service.name in prices.players else "requests",
        resources=resources,
        assumed=service.resources is None,
        as_of=prices.as_of.isoformat(),
    )


def process_effect(service: DeployedService, wanted: Settings) -> str:
    """Return what new settings mean for a service of `nbactl up`, for a person."""
    after: Settings = {**service.settings, **wanted}
    concurrency = after.get("concurrency")
    most = "as many requests as come" if concurrency is None else f"{concurrency:g} requests"
    return f"processes: {processes_of(after)}, now {processes_of(service.settings)}; each takes {most} at once"


def typical_seconds(measured: Mapping[str, RequestStats]) -> float | None:
    """Return the median of the seconds of a request over all revisions, weighted by their requests; None without."""
    known = [(stats.p50, stats.requests) for stats in measured.values() if stats.p50 is not None and stats.requests]
    total = sum(requests for _, requests in known)
    return sum(seconds * requests for seconds, requests in known) / total if total else None


def _of(settings: Settings, name: SettingName) -> int:
    value = settings.get(name)
    return int(value) if value else {"max_instances": MOST_INSTANCES, "concurrency": CONCURRENCY}[name]
