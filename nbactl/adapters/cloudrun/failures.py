"""Answers of the API that are no success, as nbactl's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.core.retry_after import retry_after_seconds
from nbactl.errors import (
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)

if TYPE_CHECKING:
    from datetime import datetime

_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_ROLE: Final = (
    "Ask for the role Cloud Run Developer (roles/run.developer) in this project; for reading, Cloud Run Viewer."
)
_ENABLE: Final = "Enable it: gcloud services enable run.googleapis.com"
LATER: Final = "Try again in some minutes; https://status.cloud.google.com tells of outages."
_SHOWN: Final = 300
"""Characters of an answer that an error quotes."""


def refusal(status: int, text: str, *, what: str, where: str, retry_after: str | None, now: datetime) -> NbactlError:
    """Return the error for an answer; `what` was asked, in words, of `where`."""
    code, told = _read(text)
    cause = f"Cloud Run says: {told or 'nothing'} ({status}{f' {code}' if code else ''})"
    match status, code:
        case 401, _:
            return NotAuthorisedError(f"{where} does not know who is calling", cause=cause, next_step=_LOGIN)
        case 403, _:
            disabled = "has not been used" in told or "is disabled" in told
            return NotAuthorisedError(
                f"{what}: this account may not do that", cause=cause, next_step=_ENABLE if disabled else _ROLE
            )
        case 404, _:
            return NotFoundError(f"{what}: there is no such thing", cause=cause)
        case (409 | 412, _) | (400, "FAILED_PRECONDITION"):
            return PreconditionError(f"{what}: it was changed by somebody else meanwhile", cause=cause)
        case _ if status in (408, 429) or status >= 500:  # noqa: PLR2004 - server errors
            wait = retry_after_seconds(retry_after, now)
            return UnavailableError(
                f"{where} is busy or fails", cause=cause, next_step=LATER, retry_after=wait, details={"status": status}
            )
        case _:
            return DataError(f"{what}: it was refused", cause=cause)


def may_have_happened(error: NbactlError) -> bool:
    """Say whether a change that ended so may have been taken: what refuses a burst (429, 503) takes nothing."""
    return isinstance(error, UnavailableError) and error.details.get("status") not in (429, 503)


def _read(text: str) -> tuple[str, str]:
    """Return status and message of the body of a refusal; proxies answer with pages instead."""
    import json  # noqa: PLC0415

    try:
        body: Any = json.loads(text)
    except ValueError:
        return "", " ".join(text[:_SHOWN].split())
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", " ".join(text[:_SHOWN].split())
    return str(error.get("status", "")), str(error.get("message", ""))
