"""How services are put into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.durations import format_duration
from nbactl.deployments.desired import tag_of
from nbactl.ports.service_rules import processes_of

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.services import DeployedService


def state_of(service: DeployedService) -> str:
    """Return the state of a service in one or two words."""
    if service.problem is not None:
        return "not ready"
    if service.is_reconciling:
        return "deploying"
    return "ready" if service.url else "no address"


def short_traffic(service: DeployedService) -> str:
    """Return where requests go: `latest`, `pinned`, or the share of the latest revision."""
    if not any(share.percent for share in service.traffic):
        return "none"
    if service.pinned_to and service.latest_share:
        return f"{service.latest_share} % latest"
    return "latest" if service.follows_latest else "pinned"


def traffic_meaning(service: DeployedService) -> str:
    """Return where requests go, and what that means for the next deployment."""
    parts = []
    for share in service.traffic:
        where = f"the latest revision ({service.latest_ready_revision})" if share.revision is None else share.revision
        if share.percent:
            parts.append(f"{share.percent} % to {where}")
    shares = ", ".join(parts) or "none"
    if service.follows_latest:
        percent = next(share.percent for share in service.traffic if share.percent and share.revision is None)
        return f"{shares}; a new revision gets {percent} %"
    return f"{shares}; pinned: a new revision gets 0 %"


def instances(service: DeployedService) -> str:
    """Return the least and most instances, `0-20`, or `0+` where the platform sets the limit.

    On this machine, which has no regions, it is how many processes serve.
    """
    settings = service.settings
    if not service.region:
        return str(processes_of(settings))
    least, most = settings.get("min_instances") or 0, settings.get("max_instances")
    return f"{least:g}-{most:g}" if most is not None else f"{least:g}+"


def image_tag(service: DeployedService) -> str:
    """Return the tag of the image, or the start of its digest; empty without an image, as on this machine."""
    return tag_of(service.image) or ("untagged" if service.image else "")


def ago(now: datetime, then: datetime | None) -> str:
    """Return how long ago something was, `3d04h ago`; empty if that is not known."""
    return "" if then is None else f"{format_duration(max(0.0, (now - then).total_seconds()))} ago"


def short_name(account: str | None) -> str:
    """Return an account without its domain, `deployer` for a service account of any project."""
    return (account or "").partition("@")[0]
