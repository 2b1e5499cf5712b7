"""The subscriptions of the target, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.checks.subscriptions import DeclaredUse, SubscriptionFinding
    from nbactl.ports.bus import FoundSubscription


def judged_subscriptions(app: Container, found: Sequence[FoundSubscription]) -> list[SubscriptionFinding]:
    """Return the problems of subscriptions, compared with what is declared."""
    from nbactl.checks.subscriptions import judge_subscriptions

    return list(judge_subscriptions(found, declared_use(app))) if found or app.settings.target == "gcp" else []


def declared_use(app: Container) -> DeclaredUse:
    """Return what the configuration says of services and topics."""
    from nbactl.checks.subscriptions import DeclaredUse

    file, timeouts = app.config.workflows, app.config.timeouts
    limits = {name: spec.timeout for name, spec in file.services.items()}
    services = {name: timeouts[limit] if (limit := limits.get(name)) else None for name in file.declared_services}
    project = app.settings.project if app.settings.target == "gcp" else None
    return DeclaredUse(services, frozenset(file.topics), project)
