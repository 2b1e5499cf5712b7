"""`/metrics` of a service, as a plain ASGI app."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import nbactl
from nbactl.core.observe.metrics.definitions import BREAKER_STATE, BY_NAME, METRICS
from nbactl.core.observe.metrics.mapping import Children, handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

    from nbactl.core._support.aio import App, Receive, Scope, Send
    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.flags.client import Exposures
    from nbactl.core.observe.events import Event, Hook
    from nbactl.core.observe.metrics.definitions import Metric

_Row = tuple[tuple[str, ...], float]


class StateCollector:
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
        self._watched = StateCollector()
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

        Otherwise a series begins with its first event, which `increase()` does not count as an increase.
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


PATH: Final = "/metrics"
_PLAIN: Final = "text/plain; charset=utf-8"


def metrics_app(metrics: Metrics) -> App:
    """Return the app that answers `/metrics`, wherever it is mounted; it also runs alone.

    The text is made in a thread, so that other requests are not held up by a scrape.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            raise ValueError(f"/metrics is asked for by HTTP, not by {scope['type']}")
        elif not _asked_for(scope).endswith(PATH):
            await _answer(scope, send, 404, b"not found; metrics are at /metrics\n", _PLAIN)
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(scope, send, 405, b"use GET\n", _PLAIN, (b"allow", b"GET, HEAD"))
        else:
            await _answer(scope, send, 200, await asyncio.to_thread(metrics.exposition), CONTENT_TYPE)

    return app


def _asked_for(scope: Scope) -> str:
    """Return the path without a mount: routers disagree on whether `path` has it."""
    root, path = scope.get("root_path", ""), scope["path"]
    return str(path if path.startswith(root) else root + path).rstrip("/")


async def _answer(
    scope: Scope, send: Send, status: int, body: bytes, content_type: str, *headers: tuple[bytes, bytes]
) -> None:
    about = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return
