"""Cloud Logging's errors as nbactl's, by their number: https://cloud.google.com/apis/design/errors."""

from __future__ import annotations

import re
from typing import Final

import grpc

from nbactl.errors import DataError, NbactlError, NotAuthorisedError, TimedOutError, UnavailableError

Code = grpc.StatusCode
_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_LATER: Final = "Check the network, then try again; https://status.cloud.google.com shows outages."
_ROLE: Final = "Ask for the role Logs Viewer (roles/logging.viewer) in this project."
_QUOTA: Final = (
    "Wait a minute. A project has 60 reads a minute, and 10 that follow at the same time: "
    "https://cloud.google.com/logging/quotas"
)
_DISABLED: Final = re.compile(r"has not been used|is disabled", re.IGNORECASE)
_PERMISSION: Final = re.compile(r"\b(logging\.\w+\.\w+)")
_KINDS: Final[dict[grpc.StatusCode, tuple[type[NbactlError], str, str | None]]] = {
    Code.UNAUTHENTICATED: (NotAuthorisedError, "does not know who is calling", _LOGIN),
    Code.PERMISSION_DENIED: (NotAuthorisedError, "does not allow this account to read", _ROLE),
    Code.NOT_FOUND: (NotAuthorisedError, "cannot be found", "Correct --project."),
    Code.INVALID_ARGUMENT: (DataError, "does not accept the query", "Use -v to see the query."),
    Code.DEADLINE_EXCEEDED: (TimedOutError, "did not answer in time", "Ask for a shorter time: --since, --until."),
    Code.RESOURCE_EXHAUSTED: (UnavailableError, "is over its quota", _QUOTA),
}
_ELSE: Final = (UnavailableError, "cannot be reached or failed", _LATER)


def translate(code: grpc.StatusCode, message: str, project: str, where: str) -> NbactlError:
    """Return the nbactl error for a status; `message` is Cloud Logging's text."""
    kind, what, next_step = _KINDS.get(code, _ELSE)
    if code is Code.PERMISSION_DENIED:
        if _DISABLED.search(message):
            what = "is not enabled"
            next_step = f"Enable it: gcloud services enable logging.googleapis.com --project {project}"
        elif found := _PERMISSION.search(message):
            what = f"{what}: permission {found[1]} is missing"
    return kind(
        f"{where} {what}", cause=f"Cloud Logging says: {message or 'nothing'} ({code.name})", next_step=next_step
    )
