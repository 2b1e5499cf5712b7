"""Feature flags and their rollouts, built from the container."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.core.flags.client import Flags
    from nbactl.core.flags.store import StateCache
    from nbactl.ports.alerts import Alert
    from nbactl.rollouts.guards import MetricSource
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.store import RolloutStore
    from nbactl.rollouts.tick import Ticker


def make_flags(app: Container, cache: StateCache | None) -> Flags:
    """Return the flags, not read yet; `cache` keeps the last known states on disk."""
    from nbactl.core.flags.client import Flags
    from nbactl.core.flags.store import COLLECTION
    from nbactl.ports.documents import Watchable

    timeouts, store = app.config.timeouts, app.engine
    watch = partial(store.watch, COLLECTION, renew=timeouts["flags.watch"]) if isinstance(store, Watchable) else None
    return Flags(
        app.config.flags.definitions(),
        app.flag_store.read,
        environ=app.environ,
        clock=app.clock,
        rng=app.rng,
        every=timeouts.interval("flags.refresh"),
        cache=cache,
        watch=watch,
    )


def make_rollouts(app: Container) -> RolloutStore:
    """Return the staged rollouts, with the rules of flags.yaml."""
    from nbactl.rollouts.rules import RolloutRules
    from nbactl.rollouts.store import RolloutStore

    rules = RolloutRules(app.config.flags, services_health(app))
    return RolloutStore(app.documents, app.flag_store, app.clock.now, rules)


def make_ticker(app: Container, alert: Callable[[Alert], None]) -> Ticker:
    """Return what decides on rollouts; `alert` gets every step. Raises ConfigError for wrong variables."""
    from nbactl.bootstrap.audit import make_audit
    from nbactl.rollouts.tick import Ticker

    return Ticker(
        rollouts=app.rollouts,
        flags=app.flag_store,
        sources=_guard_sources(app),
        health=services_health(app),
        alert=alert,
        audit=make_audit(app),
    )


def services_health(app: Container) -> Callable[[], Sequence[ServiceHealth] | None]:
    """Return what asks the services for their health; None where there are some and nothing says where.

    Raises ConfigError for wrong variables.
    """
    from nbactl.rollouts import health

    urls = health.parse_urls(app.environ.get(health.VARIABLE, ""))
    timeout = app.config.timeouts["http.health"]

    def service_health() -> Sequence[ServiceHealth] | None:
        if not urls and app.target.HAS_DEPLOYED_SERVICES:
            return None  # there are services, and nothing says where
        return health.check_services(urls, timeout=timeout)

    return service_health


def _guard_sources(app: Container) -> list[MetricSource]:
    from nbactl.rollouts.sources import VARIABLE, LedgerSource, PrometheusSource

    sources: list[MetricSource] = []
    if url := app.environ.get(VARIABLE):
        sources.append(PrometheusSource(url, app.clock.now(), timeout=app.config.timeouts["metrics.query"]))
    return [*sources, LedgerSource(app.ledger)]
