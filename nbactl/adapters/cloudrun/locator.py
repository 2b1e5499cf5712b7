"""Where services are: each in its region, looked up once through the Admin API."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbactl.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.adapters.cloudrun.region import Region
    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.ports.services import DeployedService


class ServiceLocator:
    """Finds services. `regions` has the region of those that are not in the default one. Usable from any thread."""

    def __init__(
        self, open_region: Callable[[str], CloudRunServices], default: str, regions: Mapping[str, str]
    ) -> None:
        self._open = open_region
        self._default = default
        self._regions = regions
        self._lock = threading.Lock()
        self._opened: dict[str, CloudRunServices] = {}
        self._found: dict[str, tuple[DeployedService, Region]] = {}

    def get(self, name: str) -> tuple[DeployedService, Region]:
        """Return a service that takes requests, and its region.

        Raises NotFoundError with the name that was meant, PreconditionError if no revision gets requests.
        """
        with self._lock:
            if name not in self._found:
                self._found[name] = self._look_up(name)
            return self._found[name]

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            for services in self._opened.values():
                services.close()
            self._opened.clear()

    def _look_up(self, name: str) -> tuple[DeployedService, Region]:
        region = self._regions.get(name, self._default)
        if region not in self._opened:
            self._opened[region] = self._open(region)
        services = self._opened[region]
        place = services.region
        service = services.get(name)
        if not service.url:
            raise PreconditionError(
                f"{name} has no address yet",
                cause=service.problem or "Cloud Run has not made it ready.",
                next_step=place.gcloud("describe", name),
            )
        if not any(share.percent for share in service.traffic):
            raise PreconditionError(
                f"no revision of {name} gets requests: all have 0 % of its traffic",
                cause=service.problem,
                next_step=f"Send requests to the newest one: {place.gcloud('update-traffic', name, '--to-latest')}",
            )
        return service, place
