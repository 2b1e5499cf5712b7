"""Staged rollouts of flags."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nbactl.bootstrap.flags import FlagRoom
from nbactl.bootstrap.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.ports.alerts import Alert
    from nbactl.rollouts.guards import MetricSource
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.store import RolloutStore
    from nbactl.rollouts.tick import Ticker


class RolloutRoom(Pipeline, FlagRoom):
    """Staged rollouts of flags."""

    @cached_property
    def rollouts(self) -> RolloutStore:
        """The staged rollouts of flags."""
        from nbactl.rollouts.rules import RolloutRules  # noqa: PLC0415
        from nbactl.rollouts.store import RolloutStore  # noqa: PLC0415

        rules = RolloutRules(self.config.flags, self.service_health)
        return RolloutStore(self.documents, self.flag_store, self.clock.now, rules)

    def service_health(self) -> Sequence[ServiceHealth] | None:
        """Ask the services of NBACTL_HEALTH_URLS; None where the target has services and none is named."""
        from nbactl.rollouts import health  # noqa: PLC0415

        urls = health.parse_urls(self._environ.get(health.VARIABLE, ""))
        if not urls and self.settings.target == "gcp":
            return None
        return health.check_services(urls, timeout=self.config.timeouts["http.health"])

    def ticker(self, alert: Callable[[Alert], None]) -> Ticker:
        """Return what decides on rollouts; `alert` is told of every step. Raises ConfigError for wrong variables."""
        from nbactl.rollouts import health  # noqa: PLC0415
        from nbactl.rollouts.tick import Ticker  # noqa: PLC0415

        health.parse_urls(self._environ.get(health.VARIABLE, ""))  # refused before the first decision
        return Ticker(
            rollouts=self.rollouts,
            flags=self.flag_store,
            sources=self._guard_sources(),
            health=self.service_health,
            alert=alert,
        )

    def _guard_sources(self) -> Sequence[MetricSource]:
        from nbactl.rollouts.sources import (  # noqa: PLC0415
            VARIABLE,
            LedgerSource,
            PrometheusSource,
        )

        sources: list[MetricSource] = []
        if url := self._environ.get(VARIABLE):
            sources.append(PrometheusSource(url, self.clock.now(), timeout=self.config.timeouts["metrics.query"]))
        return [*sources, LedgerSource(self.ledger)]
