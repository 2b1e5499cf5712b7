"""Two operators at once: who was first, and what they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.deployments.plan import same_shares
from nbactl.errors import NbactlError
from nbactl.ports.services import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.errors import PreconditionError
    from nbactl.ports.services import DeployedService, DeployedServices, ServiceEdit


def explain_conflict(
    error: PreconditionError, seen: DeployedService, services: DeployedServices, edit: ServiceEdit
) -> None:
    """Say in a conflict who changed the service since it was seen, and what. Values are not named.

    An error that is not about another change, and a service that cannot be read now, keep the cause they have.
    """
    try:
        now = services.get(seen.name)
    except NbactlError:
        return
    if now.version == seen.version:
        return
    who = f"by {now.deployed_by} " if now.deployed_by else ""
    when = f"at {now.deployed_at:%Y-%m-%d %H:%M:%S} UTC " if now.deployed_at else ""
    tool = f"with {now.deployed_with} " if now.deployed_with else ""
    changed = ", ".join(changed_names(seen, now)) or "nothing that nbactl compares"
    error.cause = f"It was changed {who}{when}{tool}since it was read: {changed}."
    same = all(now.env.get(name) == value for name, value in edit.env.items()) and all(
        now.settings.get(name) == value for name, value in edit.settings.items()
    )
    if same and edit.traffic is None:
        error.cause += " It has now what this change wanted."
    error.next_step = f"Look at it, then run the same command again: nbactl services show {seen.name}"


def changed_names(seen: DeployedService, now: DeployedService) -> Iterator[str]:
    """Yield the names of what is different: variables, settings, the traffic, the image."""
    for name in dict.fromkeys([*seen.env, *now.env]):
        if seen.env.get(name) != now.env.get(name):
            yield name
    yield from sorted(seen.secrets ^ now.secrets)
    for setting in SETTINGS:
        if seen.settings.get(setting) != now.settings.get(setting):
            yield setting
    if not same_shares(seen.traffic, now.traffic):
        yield "the traffic"
    if seen.image != now.image:
        yield "the image"
