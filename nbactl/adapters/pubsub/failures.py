"""Pub/Sub's errors as nbactl's: https://cloud.google.com/pubsub/docs/reference/error-codes."""

from __future__ import annotations

from typing import Final

import grpc

from nbactl.errors import (
    AlreadyExistsError,
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    TimedOutError,
    UnavailableError,
)

Code = grpc.StatusCode
_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_ROLE: Final = "Ask for the roles Pub/Sub Publisher and Subscriber in this project."
_LATER: Final = "Check the network, then try again; https://status.cloud.google.com shows outages."
_KINDS: Final[dict[grpc.StatusCode, tuple[type[NbactlError], str, str | None]]] = {
    Code.UNAUTHENTICATED: (NotAuthorisedError, "does not know who is calling", _LOGIN),
    Code.PERMISSION_DENIED: (NotAuthorisedError, "does not allow this account", _ROLE),
    Code.NOT_FOUND: (
        NotFoundError,
        "has no",
        "`gcloud pubsub topics list` and `gcloud pubsub subscriptions list` show them.",
    ),
    Code.ALREADY_EXISTS: (AlreadyExistsError, "already has", None),
    Code.INVALID_ARGUMENT: (DataError, "does not accept the call", None),
    Code.FAILED_PRECONDITION: (PreconditionError, "refused the call", None),
    Code.DEADLINE_EXCEEDED: (TimedOutError, "did not answer in time", _LATER),
    Code.RESOURCE_EXHAUSTED: (UnavailableError, "is over its quota", "Wait, or check the quotas of the project."),
}
_ELSE: Final = (UnavailableError, "cannot be reached or failed", _LATER)
_NAMED: Final = (Code.NOT_FOUND, Code.ALREADY_EXISTS)


def translate(code: grpc.StatusCode, message: str, where: str, about: str) -> NbactlError:
    """Return the nbactl error for a status; `message` is Pub/Sub's text, `about` the name of what was asked for."""
    kind, what, next_step = _KINDS.get(code, _ELSE)
    named = f" {about}" if about and code in _NAMED else ""
    cause = f"Pub/Sub says: {message or 'nothing'} ({code.name})"
    return kind(f"{where} {what}{named}", cause=cause, next_step=next_step)
