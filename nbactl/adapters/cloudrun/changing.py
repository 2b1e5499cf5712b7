"""One update of a service, from its request to the proof that it is in force."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from nbactl.adapters.cloudrun.reading import problem_of
from nbactl.adapters.cloudrun.refusals import may_have_happened
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
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.adapters.cloudrun.api import Api
    from nbactl.adapters.cloudrun.updates import Update
    from nbactl.core.calls.deadline import Deadline


@frozen
class Waiting:
    """Seconds to wait until a change is in force, and between two looks at it."""

    deploy: float
    poll: float


class Changer:
    """Carries out updates of services. `read` returns a service as the API has it."""

    def __init__(self, api: Api, waiting: Waiting, read: Callable[[str], dict[str, Any]]) -> None:
        self._api = api
        self._waiting = waiting
        self._read = read
        self._clock = api.policy.clock

    def carry_out(self, name: str, before: Mapping[str, Any], update: Update) -> dict[str, Any]:
        """Return the service with the update in force. Raises as DeployedServices.change does."""
        deadline = tighter(self._waiting.deploy, self._clock)
        operation = self._send(name, before["etag"], update)
        reach("cloudrun.sent")
        failure = self._await(name, operation, update, deadline)
        after = self._settled(name, update, deadline)
        makes_revision = "template" in update.parts
        # The operation also fails for a revision that was broken before; what is in force decides, but for a new one.
        if failure and (makes_revision or update.missing(after)):
            raise self._failed(name, update, failure)
        self._verify(name, update, after)
        if makes_revision and (problem := problem_of(after)):
            raise self._failed(name, update, problem)
        return after

    def _send(self, name: str, etag: str, update: Update) -> dict[str, Any] | None:
        """Send the update, again where that is safe; returns its operation, None if the answer was lost.

        The etag makes it safe: what was taken once is refused the second time. A refusal after an answer was lost may
        be this call's own doing, so what is there decides.
        """
        path = self._api.region.path(name)
        body = {"name": path, "etag": etag, **update.parts}
        mask = {"updateMask": ",".join(update.parts)}
        lost = False

        def attempt() -> dict[str, Any]:
            nonlocal lost
            try:
                return self._api.once("PATCH", path, f"the update of {name}", mask, body)
            except NbactlError as error:
                lost = lost or may_have_happened(error)
                raise

        try:
            return self._api.policy.call(attempt)
        except PreconditionError as error:
            if lost and self._has(name, update):
                return None
            raise changed(name, error.cause, sent=lost) from error
        except UnavailableError as error:
            if not lost:
                raise
            if self._has(name, update):
                return None
            error.details["outcome"] = "unknown"
            error.next_step = f"The answer was lost; check whether the change was made: {self._describe_command(name)}"
            raise

    def _has(self, name: str, update: Update) -> bool:
        """Say whether a service is known to have taken an update."""
        raw = self._try(partial(self._read, name), None)
        return raw is not None and update.is_taken(raw)

    def _await(self, name: str, operation: dict[str, Any] | None, update: Update, deadline: Deadline) -> str | None:
        """Wait for the end of an operation; returns its error. Raises StillRunningError when the time is over."""
        while operation is not None and not operation.get("done"):
            self._pause(name, update, deadline)
            operation = self._try(partial(self._progress, operation["name"], name), operation)
        if operation is not None and (error := operation.get("error")):
            return error.get("message") or f"error {error.get('code')}"
        return None

    def _progress(self, operation: str, name: str) -> dict[str, Any]:
        try:
            return self._api.get(operation, f"the update of {name}")
        except NotFoundError:  # it is kept for some days only; the service itself tells how it ended
            return {"done": True}

    def _settled(self, name: str, update: Update, deadline: Deadline) -> dict[str, Any]:
        """Return the service once Cloud Run is done with it."""
        while True:
            raw = self._try(partial(self._read, name), None)
            if raw is not None and not raw.get("reconciling"):
                return raw
            self._pause(name, update, deadline)

    def _try(self, ask: Callable[[], dict[str, Any]], otherwise: dict[str, Any] | None) -> dict[str, Any] | None:
        """Ask; the change continues while the API does not answer, so the caller keeps waiting."""
        try:
            return ask()
        except UnavailableError:
            return otherwise

    def _pause(self, name: str, update: Update, deadline: Deadline) -> None:
        left = deadline.remaining()
        if left <= 0:
            awaited = f"the new revision of {name} is not ready"
            if "template" not in update.parts:
                awaited = f"the change of {name} is not in force"
            raise StillRunningError(
                f"{awaited} after {format_duration(deadline.seconds)}",
                cause="Cloud Run accepted the change and is still working on it.",
                next_step=self._describe_command(name),
                details={"service": name},
            )
        self._clock.sleep(min(self._waiting.poll, left))

    def _verify(self, name: str, update: Update, after: Mapping[str, Any]) -> None:
        found = None
        if missing := update.missing(after):
            found = f"Not as wanted: {', '.join(missing)}."
        elif disturbed := update.disturbed(after):
            found = f"{' and '.join(disturbed).capitalize()} that this change does not name are different."
        if found:
            raise changed(name, f"{found} Someone deployed it right after this change.")

    def _failed(self, name: str, update: Update, message: str) -> DeployFailedError:
        failed = f"the new revision of {name} does not start; the previous one keeps serving"
        if "traffic" in update.parts:
            failed = f"the requests of {name} were not moved; they go where they went"
        return DeployFailedError(
            failed,
            cause=f"Cloud Run says: {message}",
            next_step=f"See why: nbactl services logs {name}",
            details={"service": name},
        )

    def _describe_command(self, name: str) -> str:
        return self._api.region.gcloud("describe", name)


def changed(name: str, cause: str | None, *, sent: bool = True) -> PreconditionError:
    """Return the error for a service that someone else changed; `sent` says whether it may have had this change."""
    return PreconditionError(
        f"{name} was changed by someone else in the meantime",
        cause=cause,
        next_step=f"Check what it has now, then give the change again: nbactl services show {name}",
        details={"service": name, "sent": sent},
    )
