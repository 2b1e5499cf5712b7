"""The services port on Cloud Run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.cloudrun.changing import Changer, changed
from nbactl.adapters.cloudrun.elsewhere import not_here
from nbactl.adapters.cloudrun.reading import read_revision, read_service
from nbactl.adapters.cloudrun.updates import TemplateUpdate, TrafficUpdate
from nbactl.errors import NbactlError, NotFoundError, PreconditionError, UnavailableError
from nbactl.ports.service_rules import check_edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.adapters.cloudrun.api import Api
    from nbactl.adapters.cloudrun.changing import Waiting
    from nbactl.adapters.cloudrun.region import Region
    from nbactl.adapters.cloudrun.updates import Update
    from nbactl.ports.services import DeployedService, Revision, ServiceEdit, Traffic

_PAGE: Final = "100"
_SUGGESTED: Final = 3
_NAME: Final = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
"""Cloud Run takes lower-case letters, digits and hyphens; anything else would be another path of the API.

https://cloud.google.com/run/docs/deploying
"""


class CloudRunServices:
    """The services of one region of a project."""

    def __init__(self, api: Api, waiting: Waiting) -> None:
        self._api = api
        self._region = api.region
        self._changer = Changer(api, waiting, self._read)

    def close(self) -> None:
        """End the connections."""
        self._api.close()

    @property
    def region(self) -> Region:
        """Where they are."""
        return self._region

    def list(self) -> list[DeployedService]:
        found: list[DeployedService] = []
        for page in self._pages(f"{self._region.parent}/services", f"the services of {self._region.where}"):
            if page.get("unreachable"):
                raise UnavailableError(
                    f"{self._region.where} could not list all services",
                    cause=f"Not reached: {', '.join(page['unreachable'])}.",
                )
            found += map(read_service, page.get("services", ()))
        return sorted(found, key=lambda service: service.name)

    def get(self, name: str) -> DeployedService:
        return read_service(self._read(name))

    def revisions(self, name: str) -> Sequence[Revision]:
        _check_name(name)
        found: list[Revision] = []
        for page in self._pages(f"{self._region.path(name)}/revisions", f"the revisions of {name}"):
            found += map(read_revision, page.get("revisions", ()))
        if not found:
            self._read(name)  # an unknown service has none either
        return sorted(found, key=lambda revision: (revision.created_at, revision.name), reverse=True)

    def check(self, name: str, edit: ServiceEdit) -> None:
        check_edit(edit)
        self._prepare(name, self._read(name), edit)

    def change(self, name: str, edit: ServiceEdit, *, expected_version: str) -> DeployedService:
        check_edit(edit)
        before = self._read(name)
        if before["etag"] != expected_version:
            raise changed(name, "It was changed after it was read for this change.", sent=False)
        update = self._prepare(name, before, edit)
        return read_service(self._changer.carry_out(name, before, update) if update.parts else before)

    def _prepare(self, name: str, before: Mapping[str, Any], edit: ServiceEdit) -> Update:
        if edit.traffic is None:
            return TemplateUpdate(name, before, edit)
        self._check_revisions(name, edit.traffic)
        return TrafficUpdate(before, edit.traffic)

    def _check_revisions(self, name: str, shares: Sequence[Traffic]) -> None:
        """Raise NotFoundError for a revision that is not there, PreconditionError for one that cannot serve."""
        for revision in dict.fromkeys(share.revision for share in shares if share.revision and share.percent):
            found = self._revision(name, revision)
            if not found.ready:
                raise PreconditionError(
                    f"the revision {revision} of {name} is not ready, so that it gets no requests",
                    cause=found.problem,
                    next_step=self._ready_ones(name),
                    details={"service": name, "revision": revision},
                )

    def _revision(self, name: str, revision: str) -> Revision:
        try:
            return read_revision(self._api.get(f"{self._region.path(name)}/revisions/{revision}", revision))
        except NotFoundError as error:
            raise NotFoundError(
                f"{name} has no revision {revision}",
                cause=error.cause,
                next_step=self._ready_ones(name),
                details={"service": name, "revision": revision},
            ) from error

    def _ready_ones(self, name: str) -> str | None:
        """Return the newest revisions that can serve, as a next step."""
        try:
            ready = [revision.name for revision in self.revisions(name) if revision.ready]
        except NbactlError:
            return None
        return f"The newest ready ones: {', '.join(ready[:_SUGGESTED])}." if ready else None

    def _pages(self, path: str, what: str) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._api.get(path, what, pageSize=_PAGE, **({"pageToken": token} if token else {}))
            yield page
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _read(self, name: str) -> dict[str, Any]:
        _check_name(name)
        try:
            return self._api.get(self._region.path(name), name)
        except NotFoundError as error:
            raise not_here(self._api, name, error) from error


def _check_name(name: str) -> None:
    """Raise NotFoundError for a name that no service can have."""
    if not _NAME.fullmatch(name):
        raise NotFoundError(
            f"there is no service {name}",
            cause="The name of a service has letters, digits and hyphens only.",
            next_step="Correct it; to list them: nbactl services list",
            details={"service": name},
        )
