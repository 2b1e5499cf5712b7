"""A service that is not where it was expected: where it is, or what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import closest
from nbactl.errors import NbactlError, NotFoundError

if TYPE_CHECKING:
    from nbactl.adapters.cloudrun.api import Api

_LIMIT: Final = "500"
"""Services that are looked through."""
_REGION_LABEL: Final = "cloud.googleapis.com/location"


def not_here(api: Api, name: str, error: NotFoundError) -> NotFoundError:
    """Return the error for a service that is not here. One more call tells whether it is in another region."""
    places = _everywhere(api)
    here = [each for each, regions in places.items() if api.region.name in regions]
    meant = closest(name, here)
    next_step = (
        f"{f'Did you mean {meant!r}? ' if meant else ''}Correct the name, or its region under `services` in "
        "workflows.yaml; to list them: nbactl services list"
    )
    elsewhere = [region for region in places.get(name, ()) if region != api.region.name]
    if elsewhere:
        region = elsewhere[0]
        next_step = (
            f"It is in {' and '.join(elsewhere)}: set `region: {region}` for it under `services` in "
            f"workflows.yaml, or give --region {region}."
        )
    return NotFoundError(
        f"there is no service {name} on {api.region.where}",
        cause=error.cause,
        next_step=next_step,
        details={"service": name, "regions": elsewhere},
    )


def _everywhere(api: Api) -> dict[str, list[str]]:
    """Return the regions of each service of the project, as far as one call tells; it is not tried again.

    Version 2 of the API cannot list more than one region at once.
    """
    try:
        found = api.once(
            "GET",
            f"projects/{api.region.project}/locations/-/services",
            f"the services of {api.region.project}",
            {"limit": _LIMIT, "fields": "items(metadata(name,labels))"},
            version="v1",
        )
    except NbactlError:
        return {}
    places: dict[str, list[str]] = {}
    for item in found.get("items", ()):
        region = item["metadata"].get("labels", {}).get(_REGION_LABEL, "")
        places.setdefault(item["metadata"]["name"], []).append(region)
    return places
