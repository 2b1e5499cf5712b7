"""Firestore's errors as nbactl's, by the class of the error: 409 and 404 each mean two things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc

from nbactl.errors import (
    AlreadyExistsError,
    ConfigError,
    ContentionError,
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    TimedOutError,
    UnavailableError,
)
from nbactl.ports.documents import Create, Delete, Set, Update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.documents import Write

Code = grpc.StatusCode
CODES: Final = {code.value[0]: code for code in Code}
"""The codes by their numbers, which the status of a single write has."""

_MAY_HAVE_HAPPENED: Final = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.UNKNOWN, Code.INTERNAL}
_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_ROLE: Final = "Ask for the role Cloud Datastore User (roles/datastore.user) in this project."
_LATER: Final = "Check the network, then try again; https://status.cloud.google.com shows outages."
_ABOUT_THE_SERVICE: Final[dict[grpc.StatusCode, tuple[type[NbactlError], str, str | None]]] = {
    Code.UNAUTHENTICATED: (NotAuthorisedError, "does not know who is calling", _LOGIN),
    Code.PERMISSION_DENIED: (NotAuthorisedError, "does not allow this account", _ROLE),
    Code.NOT_FOUND: (ConfigError, "does not exist", "Correct --project, or create its Firestore database."),
    Code.FAILED_PRECONDITION: (
        PreconditionError,
        "refused the call",
        "If an index is missing, create it with the link above; that takes a few minutes.",
    ),
    Code.ABORTED: (ContentionError, "gave precedence to other writers", "Try again."),
    Code.DEADLINE_EXCEEDED: (TimedOutError, "did not answer in time", _LATER),
    Code.RESOURCE_EXHAUSTED: (
        UnavailableError,
        "is over its quota or overloaded",
        "Wait, lower --rate, or check the quotas of the project.",
    ),
}
_ELSE: Final = (UnavailableError, "cannot be reached or failed", _LATER)
_NEVER_BETTER: Final = {Code.UNIMPLEMENTED, Code.DATA_LOSS}


def outcome_unknown(error: NbactlError) -> bool:
    """Say whether a call may have had its effect in spite of its error, because only the answer was lost."""
    cause = error.__cause__
    return isinstance(cause, grpc.RpcError) and cause.code() in _MAY_HAVE_HAPPENED


def translate(code: grpc.StatusCode, message: str, where: str, writes: Sequence[Write] = ()) -> NbactlError:
    """Return the nbactl error for a status; `message` is Firestore's text, `writes` is what was sent."""
    match code:
        case Code.ALREADY_EXISTS | Code.NOT_FOUND | Code.FAILED_PRECONDITION if writes:
            return _refused(code, message, where, writes)
        case Code.INVALID_ARGUMENT | Code.OUT_OF_RANGE:
            return _invalid(message, writes)
        case _:
            return _of_the_service(code, message, where)


def _of_the_service(code: grpc.StatusCode, message: str, where: str) -> NbactlError:
    kind, what, next_step = _ABOUT_THE_SERVICE.get(code, _ELSE)
    retryable = None if code in _ABOUT_THE_SERVICE else code not in _NEVER_BETTER
    cause = f"Firestore says: {message or 'nothing'} ({code.name})"
    return kind(f"{where} {what}", cause=cause, next_step=next_step, retryable=retryable)


def _refused(code: grpc.StatusCode, message: str, where: str, writes: Sequence[Write]) -> NbactlError:
    if code is Code.NOT_FOUND and "database" in message and "does not exist" in message:
        return _of_the_service(code, message, where)
    path = _culprit(code, message, writes)
    details = {} if path is None else {"path": path}
    name = path or "a document of this commit"
    match code:
        case Code.ALREADY_EXISTS:
            return AlreadyExistsError(f"{name} already exists", cause=f"Firestore says: {message}", details=details)
        case Code.NOT_FOUND:
            return NotFoundError(f"{name} does not exist", cause=f"Firestore says: {message}", details=details)
        case _:
            return PreconditionError(
                f"{name} was changed by another writer", cause=f"Firestore says: {message}", details=details
            )


def _culprit(code: grpc.StatusCode, message: str, writes: Sequence[Write]) -> str | None:
    """Return the path of the write that was refused, None if that is not certain."""
    paths = list(dict.fromkeys(write.path for write in writes if _may_fail_with(write, code)))
    if len(paths) == 1:
        return paths[0]
    return named_in(message, paths)


def named_in(message: str, paths: Sequence[str]) -> str | None:
    """Return which of the paths a text of Firestore names, or None."""
    named = [path for path in paths if f"/{path}" in message]
    # The emulator writes a missing document's path as nested elements; the id is in quotes.
    named = named or [path for path in paths if f'"{path.rpartition("/")[2]}"' in message]
    return max(named, key=len, default=None)


def _may_fail_with(write: Write, code: grpc.StatusCode) -> bool:
    match write:
        case Create():
            return code is Code.ALREADY_EXISTS
        case Set():
            return False
        case Update():
            return code is Code.NOT_FOUND or (code is Code.FAILED_PRECONDITION and write.if_updated_at is not None)
        case Delete():
            if code is Code.NOT_FOUND:
                return write.must_exist or write.if_updated_at is not None
            return code is Code.FAILED_PRECONDITION and write.if_updated_at is not None


def _invalid(message: str, writes: Sequence[Write]) -> NbactlError:
    if writes and ("maximum allowed size" in message or "maximum entity size" in message):
        return DataError(
            f"{writes[0].path if len(writes) == 1 else 'a document of this commit'} is too large",
            cause=f"Firestore says: {message}",
            next_step="Move long lists into documents of a subcollection.",
        )
    return DataError("Firestore does not accept the call", cause=f"Firestore says: {message}")
