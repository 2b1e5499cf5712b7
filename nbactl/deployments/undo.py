"""What brings a service back to where it was before a change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.deployments.plan import plan_for, same_shares
from nbactl.errors import DataError, PreconditionError

if TYPE_CHECKING:
    from nbactl.deployments.plan import ServicePlan
    from nbactl.deployments.records import ServiceChange
    from nbactl.ports.services import DeployedService


def plan_undo_of(change: ServiceChange, service: DeployedService) -> ServicePlan | None:
    """Return the plan that undoes a change, None if the service was never reached.

    Raises PreconditionError for a value that is neither the one before the change nor the one after it.
    """
    before, after = change.before, change.after
    if after.env and service.unreadable:
        raise DataError(service.unreadable, next_step="Deploy it with a port at exactly one container.")
    for name, new in after.env.items():
        if name in service.secrets or service.env.get(name) not in (new, before.env[name]):
            raise _changed_since(name, change.service)
    for setting, value in after.settings.items():
        found = service.settings.get(setting)
        known = (value, before.settings.get(setting))
        if found not in known and not (not found and None in known):
            raise _changed_since(setting, change.service)
    if after.traffic is not None:
        known_shares = (after.traffic, before.traffic or (), *change.through)
        if not any(same_shares(service.traffic, shares) for shares in known_shares):
            raise _changed_since("the traffic", change.service)
    return plan_for(service, replace(before, env_order=_restored_order(change, service)))


def _restored_order(change: ServiceChange, service: DeployedService) -> tuple[str, ...]:
    """Return the order of all variables from before, with those that came since at the end."""
    if not change.before.env_order:
        return ()
    known = set(change.before.env_order)
    return (*change.before.env_order, *(name for name in service.env_order if name not in known))


def _changed_since(name: str, service: str) -> PreconditionError:
    return PreconditionError(
        f"{name} of {service} was changed since",
        cause="It has neither the value from before the change nor the one from after it.",
        next_step=f"Decide on its value and set it by hand; to compare: nbactl services show {service}",
        details={"service": service, "variable": name},
    )
