"""What Cloud Run's refusals mean: which error, which permission is missing, and what to do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.calls.retry import retry_after_seconds
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

    from nbactl.adapters.cloudrun.region import Region

LATER: Final = "Try again in a few minutes; https://status.cloud.google.com shows outages."
_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_ROLE: Final = (
    "Ask for the role Cloud Run Developer (roles/run.developer) in this project; for reading, Cloud Run Viewer."
)
_SHOWN: Final = 300
"""Characters of an answer that an error quotes."""
_TOO_MANY: Final = 429
_DENIED: Final = re.compile(r"[Pp]ermission ['\"]([\w.]+)['\"] denied")
_ROLES: Final = {
    "run.services.get": "roles/run.viewer",
    "run.services.list": "roles/run.viewer",
    "run.revisions.get": "roles/run.viewer",
    "run.revisions.list": "roles/run.viewer",
    "run.operations.get": "roles/run.viewer",
    "run.services.update": "roles/run.developer",
    "iam.serviceaccounts.actas": "roles/iam.serviceAccountUser",
}
"""The smallest role with each permission, in lower case: Google spells some in two ways.

Source: https://cloud.google.com/run/docs/reference/iam/roles.
"""


def refusal(status: int, text: str, *, what: str, place: Region, retry_after: str | None, now: datetime) -> NbactlError:
    """Return the error for an answer; `what` was asked, in words."""
    code, message, permission = _read(text)
    cause = f"Cloud Run says: {message or 'nothing'} ({status}{f' {code}' if code else ''})"
    match status, code:
        case 401, _:
            return NotAuthorisedError(f"{place.where} does not know who is calling", cause=cause, next_step=_LOGIN)
        case 403, _:
            return _forbidden(what, place, message, cause, permission)
        case 404, _:
            return NotFoundError(f"{what}: not found", cause=cause)
        case (409 | 412, _) | (400, "FAILED_PRECONDITION"):
            return PreconditionError(f"{what}: it was changed by someone else in the meantime", cause=cause)
        case _ if status in (408, _TOO_MANY) or status >= 500:  # noqa: PLR2004 - server errors
            return UnavailableError(
                f"{place.where} {'has no quota left for now' if status == _TOO_MANY else 'is busy or failing'}",
                cause=cause,
                next_step=LATER,
                retry_after=retry_after_seconds(retry_after, now),
                details={"status": status},
            )
        case _:
            return DataError(f"{what}: Cloud Run refused it", cause=cause)


def may_have_happened(error: NbactlError) -> bool:
    """Say whether a change may have been accepted in spite of its error: 429 and 503 accept nothing."""
    return isinstance(error, UnavailableError) and error.details.get("status") not in (_TOO_MANY, 503)


def _forbidden(what: str, place: Region, message: str, cause: str, permission: str) -> NotAuthorisedError:
    if "has not been used" in message or "is disabled" in message:
        return NotAuthorisedError(
            f"the Cloud Run API is not enabled in {place.project}",
            cause=cause,
            next_step=f"Enable it: gcloud services enable run.googleapis.com --project {place.project}",
        )
    if not permission:
        return NotAuthorisedError(f"{what}: this account is not allowed to do that", cause=cause, next_step=_ROLE)
    role = _ROLES.get(permission.lower())
    wanted = f"the role {role}, which has it," if role else "a role that has it"
    where = "for the service account that the service runs as" if permission.startswith("iam.") else "for the service"
    return NotAuthorisedError(
        f"{what}: this account does not have the permission {permission}",
        cause=cause,
        next_step=f"Ask for {wanted} {where} or in the project {place.project}.",
        details={"permission": permission, **({"role": role} if role else {})},
    )


def _read(text: str) -> tuple[str, str, str]:
    """Return status, message and missing permission of the body of a refusal; proxies answer with pages instead."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return "", " ".join(text[:_SHOWN].split()), ""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", " ".join(text[:_SHOWN].split()), ""
    message = str(error.get("message", ""))
    details = (detail.get("metadata", {}).get("permission") for detail in error.get("details", ()))
    named = _DENIED.search(message)
    return str(error.get("status", "")), message, next(filter(None, details), named[1] if named else "")
