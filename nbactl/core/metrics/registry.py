"""The metrics of a process: made from the table, counted by the hook, shown to Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.core.metrics.children import Children
from nbactl.core.metrics.watched import Watched
from nbactl.core.observe.metrics.definitions import METRICS
from nbactl.core.observe.metrics.mapping import handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.flags.exposures import Exposures
    from nbactl.core.observe.events import Event, Hook
    from nbactl.core.observe.metrics.definitions import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads ("Exposition formats" of its documentation)."""


class Metrics:
    """Every metric of the table, in a registry of its own unless one is given. Threads may share it.

    One process has one: a forked worker counts for itself, and has to be scraped at an address of its own.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        import prometheus_client

        self.registry = prometheus_client.CollectorRegistry() if registry is None else registry
        counted = [metric for metric in METRICS if not metric.read]
        children = {metric.name: Children(metric, _collector(metric, self.registry)) for metric in counted}
        self._watched = Watched()
        self.registry.register(self._watched)
        self._children = children
        self.hook: Hook = _dispatch(handlers(children))
        """Counts what an event says; kinds that it does not know change nothing."""

    def watch_policies(self, policies: CallPolicies) -> None:
        """Show the breakers and retry budgets of `policies`, those that are built later too."""
        self._watched.policies.append(policies)
        for name, settings in policies.declared.items():
            self.prepare("nbactl_retries_total", name)
            self.prepare("nbactl_retries_given_up_total", name)
            if settings.breaker is not None:
                self.prepare("nbactl_breaker_transitions_total", settings.breaker.name)
                self.prepare("nbactl_breaker_refused_total", settings.breaker.name)

    def watch_exposures(self, exposures: Exposures) -> None:
        """Show how often each value of each flag was served."""
        self._watched.exposures.append(exposures)

    def prepare(self, metric: str, *names: str) -> None:
        """Show a counter as 0 before it first counts; `names` are for its labels without fixed values.

        Otherwise a series begins with its first event, and to `increase()` that is no increase.
        """
        self._children[metric].prepare(*names)

    def exposition(self) -> bytes:
        """Return all metrics as text in the format of CONTENT_TYPE."""
        from prometheus_client import generate_latest

        return generate_latest(_WithoutCreated(self.registry))


class _WithoutCreated:
    """A registry without the `_created` series that the client adds to each counter: twice as many for nothing.

    The client can leave them out itself, but only for all registries of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _dispatch(by_kind: Mapping[str, Callable[[Event], None]]) -> Hook:
    find = by_kind.get

    def hook(event: Event) -> None:
        handle = find(event.kind)
        if handle is not None:
            handle(event)

    return hook


def _collector(metric: Metric, registry: CollectorRegistry) -> Any:  # noqa: ANN401 - one of three classes
    import prometheus_client

    labels = [label.name for label in metric.labels]
    if metric.type == "histogram":
        return prometheus_client.Histogram(metric.name, metric.help, labels, registry=registry, buckets=metric.buckets)
    if metric.type == "gauge":
        return prometheus_client.Gauge(metric.name, metric.help, labels, registry=registry)
    return prometheus_client.Counter(metric.name, metric.help, labels, registry=registry)
