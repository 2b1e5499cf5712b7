"""The services port over several regions: those of the default region, and the ones that are declared elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.ports.services import DeployedService, Revision, ServiceEdit


class RegionalServices:
    """The services of the default region; `elsewhere` has, by name, the region of each service that is in another.

    A service of the default region that has the name of one elsewhere is not seen: the declared one is meant.
    """

    def __init__(self, default: CloudRunServices, elsewhere: Mapping[str, CloudRunServices]) -> None:
        self._default = default
        self._elsewhere = elsewhere

    def close(self) -> None:
        """End the connections."""
        for services in {self._default, *self._elsewhere.values()}:
            services.close()

    def list(self) -> list[DeployedService]:
        regions = list(dict.fromkeys((self._default, *self._elsewhere.values())))
        with ThreadPoolExecutor(len(regions), thread_name_prefix="nbactl-region") as pool:
            waiting = [pool.submit(copy_context().run, services.list) for services in regions]
            listed = zip(regions, [each.result() for each in waiting], strict=True)
        found = [one for services, several in listed for one in several if self._of(one.name) is services]
        return sorted(found, key=lambda service: service.name)

    def get(self, name: str) -> DeployedService:
        return self._of(name).get(name)

    def revisions(self, name: str) -> Sequence[Revision]:
        return self._of(name).revisions(name)

    def check(self, name: str, edit: ServiceEdit) -> None:
        self._of(name).check(name, edit)

    def change(self, name: str, edit: ServiceEdit, *, expected_version: str) -> DeployedService:
        return self._of(name).change(name, edit, expected_version=expected_version)

    def _of(self, name: str) -> CloudRunServices:
        return self._elsewhere.get(name, self._default)
