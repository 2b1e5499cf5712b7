"""The services port on Cloud Run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nbactl.adapters.cloudrun.api import may_have_happened
from nbactl.adapters.cloudrun.template import differs, ingress_container, merged, others_of, problem_of, read_service
from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.core.calls.deadline import tighter
from nbactl.errors import (
    DeployFailedError,
    NbactlError,
    NotFoundError,
    PreconditionError,
    StillRunningError,
    UnavailableError,
)
from nbactl.ports.service_rules import check_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.adapters.cloudrun.api import Api, Region
    from nbactl.core.calls.deadline import Deadline
    from nbactl.ports.services import DeployedService, Revision, ServiceEdit

_PAGE = "100"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Seconds to wait for a new revision, and between two looks at it."""

    deploy: float
    poll: float


class CloudRunServices:
    """The services of one region of a project."""

    def __init__(self, api: Api, waiting: Waiting) -> None:
        self._api = api
        self._region = api.region
        self._policy = api.policy
        self._clock = api.policy.clock
        self._waiting = waiting

    def close(self) -> None:
        """End the connections."""
        self._api.close()

    @property
    def region(self) -> Region:
        """Where they are."""
        return self._region

    def list(self) -> list[DeployedService]:
        found: list[DeployedService] = []
        token = ""
        while True:
            more = {"pageToken": token} if token else {}
            page = self._api.get(
                f"{self._region.parent}/services", f"the services of {self._region.where}", pageSize=_PAGE, **more
            )
            if page.get("unreachable"):
                raise UnavailableError(
                    f"{self._region.where} could not list all services",
                    cause=f"Not reached: {', '.join(page['unreachable'])}.",
                )
            found += map(read_service, page.get("services", ()))
            token = page.get("nextPageToken", "")
            if not token:
                return sorted(found, key=lambda service: service.name)

    def get(self, name: str) -> DeployedService:
        return read_service(self._read(name))

    def revisions(self, name: str) -> Sequence[Revision]:
        raise NotImplementedError(name)

    def change(self, name: str, edit: ServiceEdit, *, expected_version: str) -> DeployedService:
        changes = edit.env
        check_changes(changes)
        before = self._read(name)
        if before["etag"] != expected_version:
            raise _changed(name, "It was changed after it was read for this change.")
        template = merged(name, before["template"], changes)
        if not differs(name, before["template"], changes):
            return read_service(before)
        deadline = tighter(self._waiting.deploy, self._clock)
        operation = self._send(name, before, template)
        reach("cloudrun.sent")
        self._await(name, operation, deadline)
        after = self._settled(name, deadline)
        self._verify(name, before["template"], after["template"], changes)
        if problem := problem_of(after):
            raise self._not_ready(name, problem)
        return read_service(after)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return self._api.get(self._region.path(name), name)
        except NotFoundError as error:
            raise NotFoundError(
                f"there is no service {name} on {self._region.where}",
                cause=error.cause,
                next_step=f"gcloud run services list --region {self._region.name} --project {self._region.project}",
            ) from error

    def _send(self, name: str, before: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send the update, again where that is safe; returns its operation, None if the answer was lost.

        The etag makes it safe: what was taken once is refused the second time. A refusal after an answer was lost may
        be this call's own doing, so what is there decides.
        """
        path = self._region.path(name)
        body = {"name": path, "etag": before["etag"], "template": template}
        lost = False

        def attempt() -> dict[str, Any]:
            nonlocal lost
            try:
                return self._api.once("PATCH", path, f"the update of {name}", {"updateMask": "template"}, body)
            except NbactlError as error:
                lost = lost or may_have_happened(error)
                raise

        try:
            return self._policy.call(attempt)
        except PreconditionError as error:
            if lost and self._has(name, template):
                return None
            raise _changed(name, error.cause) from error
        except UnavailableError as error:
            if not lost:
                raise
            if self._has(name, template):
                return None
            error.details["outcome"] = "unknown"
            error.next_step = f"The answer was lost; check whether the change was made: {self._describe_command(name)}"
            raise

    def _has(self, name: str, template: Mapping[str, Any]) -> bool:
        """Say whether a service is known to have the variables of a template."""
        raw = self._try(partial(self._read, name), None)
        wanted = ingress_container(name, template).get("env")
        return raw is not None and ingress_container(name, raw["template"]).get("env") == wanted

    def _await(self, name: str, operation: dict[str, Any] | None, deadline: Deadline) -> None:
        """Wait for the end of an operation. Raises DeployFailedError, or StillRunningError when the time is over."""
        while operation is not None and not operation.get("done"):
            self._pause(name, deadline)
            operation = self._try(partial(self._progress, operation["name"], name), operation)
        if operation is not None and (error := operation.get("error")):
            raise self._not_ready(name, error.get("message") or f"error {error.get('code')}")

    def _progress(self, operation: str, name: str) -> dict[str, Any]:
        try:
            return self._api.get(operation, f"the update of {name}")
        except NotFoundError:  # it is kept for some days only; the service itself tells how it ended
            return {"done": True}

    def _settled(self, name: str, deadline: Deadline) -> dict[str, Any]:
        """Return the service once Cloud Run is done with it."""
        while True:
            raw = self._try(partial(self._read, name), None)
            if raw is not None and not raw.get("reconciling"):
                return raw
            self._pause(name, deadline)

    def _try(self, ask: Callable[[], dict[str, Any]], otherwise: dict[str, Any] | None) -> dict[str, Any] | None:
        """Ask; the change continues while the API does not answer, so the caller keeps waiting."""
        try:
            return ask()
        except UnavailableError:
            return otherwise

    def _pause(self, name: str, deadline: Deadline) -> None:
        left = deadline.remaining()
        if left <= 0:
            raise StillRunningError(
                f"the new revision of {name} is not ready after {format_duration(deadline.seconds)}",
                cause="Cloud Run accepted the change and is still working on it.",
                next_step=self._describe_command(name),
                details={"service": name},
            )
        self._clock.sleep(min(self._waiting.poll, left))

    def _verify(
        self, name: str, before: Mapping[str, Any], after: Mapping[str, Any], changes: Mapping[str, str | None]
    ) -> None:
        wrong = differs(name, after, changes)
        if wrong or others_of(name, before, changes) != others_of(name, after, changes):
            found = (
                f"Not as wanted: {', '.join(wrong)}."
                if wrong
                else "Variables that this change does not name are different."
            )
            raise _changed(name, f"{found} Someone deployed it right after this change.")

    def _not_ready(self, name: str, message: str) -> DeployFailedError:
        return DeployFailedError(
            f"the new revision of {name} does not start; the previous one keeps serving",
            cause=f"Cloud Run says: {message}",
            next_step=self._describe_command(name),
            details={"service": name},
        )

    def _describe_command(self, name: str) -> str:
        return self._region.gcloud("describe", name)


def _changed(name: str, cause: str | None) -> PreconditionError:
    return PreconditionError(
        f"{name} was changed by someone else in the meantime",
        cause=cause,
        next_step="Check the difference again: nbactl flags sync --dry-run",
        details={"service": name},
    )
