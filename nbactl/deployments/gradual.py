"""Requests moved to another revision step by step, with a look at both revisions between the steps.

Each step is a change of its own, and where requests go is the only state: the same command continues from there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.deployments.plan import same_shares
from nbactl.errors import CheckFailedError, NbactlError, PartialRunError, UnavailableError
from nbactl.frozen import frozen
from nbactl.ports.measurements import RequestStats
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.clock import Clock
    from nbactl.deployments.changes import ServiceChanges
    from nbactl.deployments.plan import ServicePlan
    from nbactl.ports.measurements import Measurements
    from nbactl.ports.services import DeployedService

MORE_ERRORS: Final = 0.01
"""By how much the share of errors may be above that of the old revision: one request in a hundred."""
SLOWER: Final = 1.5
"""How many times the 95th percentile of the old revision that of the new one may be."""
LEAST_REQUESTS: Final = 20
"""With fewer, one error more or less would decide."""

Verdict = Literal["fine", "worse", "too_few"]


@frozen
class StepSeen:
    """What was measured of both revisions during one step."""

    percent: int
    old: RequestStats
    new: RequestStats
    verdict: Verdict
    why: str

    def sentence(self, old: str, new: str) -> str:
        """Return what was measured, for a person."""
        return f"{self.percent} %: {new} {_text(self.new)}; {old} {_text(self.old)}: {self.why}"


class GradualMove:
    """Carries out a plan of traffic through its steps. Call it with the plan; it returns the service at the end.

    `bake` is how many seconds each step is watched. Raises CheckFailedError after it went back because the new
    revision was worse, and PartialRunError where too few requests came to judge by: requests stay as they are then.
    """

    def __init__(
        self,
        changes: ServiceChanges,
        measurements: Measurements,
        clock: Clock,
        *,
        old: str,
        new: str,
        bake: float,
        report: Callable[[str], None],
    ) -> None:
        self._changes = changes
        self._measurements = measurements
        self._clock = clock
        self._old = old
        self._new = new
        self._bake = bake
        self._report = report

    def __call__(self, plan: ServicePlan) -> DeployedService:
        service, steps = plan.seen, list(plan.through)
        try:
            done = next((index for index, step in enumerate(steps) if same_shares(service.traffic, step)), -1)
            if done >= 0:
                self._report(f"continued at {self._percent(service)} %")
                self._watch(plan, service)
            for step in steps[done + 1 : -1]:
                service = self._changes.send(service, ServiceEdit(traffic=step))
                reach("service_traffic.stepped")
                self._report(f"{self._percent(service)} % go to {self._new}; watched {format_duration(self._bake)}")
                self._watch(plan, service)
            return self._changes.send(service, ServiceEdit(traffic=steps[-1]))
        except UnavailableError as error:
            error.next_step = self._where(service)
            raise
        except NbactlError:
            raise
        except BaseException as error:
            error.add_note(self._where(service))
            raise

    def _where(self, service: DeployedService) -> str:
        share = f"{self._percent(service)} % of the requests of {service.name} go to {self._new}."
        return f"{share} Run the same command again to continue."

    def _watch(self, plan: ServicePlan, service: DeployedService) -> None:
        """Wait, then compare the revisions; go back if the new one is worse."""
        began = self._clock.now()
        self._clock.sleep(self._bake + self._measurements.lag)
        found = self._measurements.requests(service.name, began, began + timedelta(seconds=self._bake))
        nothing = RequestStats(0, 0)
        seen = judged(self._percent(service), found.get(self._old, nothing), found.get(self._new, nothing))
        self._report(seen.sentence(self._old, self._new))
        if seen.verdict == "worse":
            self._changes.send(service, ServiceEdit(traffic=plan.before.traffic))
            raise CheckFailedError(
                f"{self._new} is worse than {self._old}: {service.name} is back where it was",
                cause=f"{seen.why}, at {seen.percent} % of the requests.",
                next_step=f"See why: nbactl services logs {service.name}",
                details={"service": service.name, "revision": self._new},
            )
        if seen.verdict == "too_few":
            raise PartialRunError(
                f"{service.name} stays at {seen.percent} % to {self._new}",
                cause=f"{self._new} had {seen.new.requests} requests, and {LEAST_REQUESTS} are needed to judge by.",
                next_step="Run the same command again to watch longer, or without --gradual to move all requests.",
                details={"service": service.name, "percent": seen.percent},
            )

    def _percent(self, service: DeployedService) -> int:
        return sum(share.percent for share in service.traffic if share.revision == self._new)


def judged(percent: int, old: RequestStats, new: RequestStats) -> StepSeen:
    """Return the verdict on a new revision beside the old one. Without requests of the old one its limits are 0."""
    if new.requests < LEAST_REQUESTS:
        return StepSeen(percent, old, new, "too_few", "too few requests to judge by")
    if new.error_rate > old.error_rate + MORE_ERRORS:
        why = f"{new.error_rate:.1%} errors, the other {old.error_rate:.1%}"
        return StepSeen(percent, old, new, "worse", why)
    if new.p95 is not None and old.p95 is not None and new.p95 > old.p95 * SLOWER:
        why = f"95 % of its answers within {new.p95:.3g} s, those of the other within {old.p95:.3g} s"
        return StepSeen(percent, old, new, "worse", why)
    return StepSeen(percent, old, new, "fine", "not worse")


def _text(stats: RequestStats) -> str:
    latency = "" if stats.p95 is None else f", p95 {stats.p95:.3g} s"
    return f"{stats.requests:,} requests, {stats.error_rate:.1%} errors{latency}"
