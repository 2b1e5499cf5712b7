"""Metrics that are read when Prometheus scrapes: what already has a value somewhere is not counted twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbactl
from nbactl.core.observe.metrics.definitions import BREAKER_STATE, BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric as Family

    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.flags.exposures import Exposures

_Row = tuple[tuple[str, ...], float]


class Watched:
    """A collector of prometheus_client. What it reads is in memory: a scrape waits for nothing."""

    def __init__(self) -> None:
        self.policies: list[CallPolicies] = []
        self.exposures: list[Exposures] = []

    def collect(self) -> Iterator[Family]:
        """Return the metrics with their values of now."""
        yield _family("nbactl_build_info", [((nbactl.__version__,), 1.0)])
        yield _family("nbactl_breaker_state", self._breakers())
        yield _family("nbactl_retry_budget_tokens", self._budgets())
        yield _family("nbactl_flag_exposures_total", self._exposed())

    def _breakers(self) -> Iterator[_Row]:
        for policies in self.policies:
            for name, breaker in policies.breakers.copy().items():
                now = breaker.state
                for state in BREAKER_STATE.values:
                    yield (name, state), float(state == now)

    def _budgets(self) -> Iterator[_Row]:
        for policies in self.policies:
            for name, policy in policies.in_use().items():
                if policy.retry_budget is not None:
                    yield (name,), policy.retry_budget.level()

    def _exposed(self) -> Iterator[_Row]:
        for exposures in self.exposures:
            for flag, counts in exposures.counts().items():
                for value, count in counts.items():
                    yield (flag, str(value).lower() if isinstance(value, bool) else str(value)), float(count)


def _family(name: str, rows: Iterable[_Row]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    metric = BY_NAME[name]
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    family = kind(name, metric.help, labels=[label.name for label in metric.labels])
    for labels, value in rows:
        family.add_metric(labels, value)
    return family
