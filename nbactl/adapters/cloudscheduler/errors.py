"""Cloud Scheduler's errors as nbactl's.

The REST transport raises by HTTP number, so the class says less than the number and the message.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import requests  # noqa: TID253 - the adapter itself
from google.api_core.exceptions import GoogleAPICallError, RetryError  # noqa: TID253 - the adapter itself
from google.auth.exceptions import (  # noqa: TID253 - the adapter itself
    DefaultCredentialsError,
    GoogleAuthError,
    TransportError,
)

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

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_LATER: Final = "Try again in a few minutes; https://status.cloud.google.com shows outages."
_PERMISSION: Final = re.compile(r"\b(cloudscheduler\.\w+\.\w+|iam\.serviceAccounts\.actAs)")
_ADMIN: Final = "Cloud Scheduler Admin (roles/cloudscheduler.admin)"
_ROLES: Final = {
    "cloudscheduler.jobs.get": "Cloud Scheduler Viewer (roles/cloudscheduler.viewer)",
    "cloudscheduler.jobs.list": "Cloud Scheduler Viewer (roles/cloudscheduler.viewer)",
    "cloudscheduler.jobs.run": "Cloud Scheduler Job Runner (roles/cloudscheduler.jobRunner)",
    "iam.serviceAccounts.actAs": "Service Account User (roles/iam.serviceAccountUser) on the job's account",
}
"""The least role that has a permission; https://cloud.google.com/scheduler/docs/auth."""
_REQUEST: Final = re.compile(r"^[A-Z]+ https?://\S+: ")
"""What the REST transport puts before the message of the service."""
_DISABLED: Final = re.compile(r"has not been used|is disabled", re.IGNORECASE)


@contextmanager
def translated(what: str, where: str) -> Iterator[None]:
    """Raise the client's errors as nbactl's; `what` was asked, in words, of `where`."""
    try:
        yield
    except GoogleAPICallError as error:
        raise _refusal(int(error.code or 0), error, what, where) from error
    except (requests.Timeout, RetryError) as error:
        raise TimedOutError(f"{where} did not answer in time", cause=str(error), next_step=_LATER) from error
    except (requests.RequestException, TransportError) as error:
        raise UnavailableError(f"{where} cannot be reached", cause=str(error), next_step=_LATER) from error
    except DefaultCredentialsError as error:
        raise NotAuthorisedError("no Google credentials were found", cause=str(error), next_step=_LOGIN) from error
    except GoogleAuthError as error:
        raise NotAuthorisedError(
            f"the credentials are not accepted by {where}", cause=str(error), next_step=_LOGIN
        ) from error


def _refusal(status: int, error: GoogleAPICallError, what: str, where: str) -> NbactlError:  # noqa: PLR0911 - by status
    message = _REQUEST.sub("", " ".join(str(error.message or "nothing").split()))
    cause = f"Cloud Scheduler says: {message} ({status})"
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return NotAuthorisedError(f"{where} does not know who is calling", cause=cause, next_step=_LOGIN)
        case HTTPStatus.FORBIDDEN:
            return _forbidden(message, cause, what)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(f"there is no {what} in {where}", cause=cause, next_step="nbactl jobs list")
        case HTTPStatus.CONFLICT if "already exists" in message.lower():
            return AlreadyExistsError(f"{what} is in {where} already", cause=cause)
        case HTTPStatus.CONFLICT | HTTPStatus.PRECONDITION_FAILED:
            return PreconditionError(f"{what}: it was changed by someone else in the meantime", cause=cause)
        case _ if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:  # noqa: PLR2004
            over = status == HTTPStatus.TOO_MANY_REQUESTS
            problem = "is over its quota or rate limit" if over else "is failing"
            return UnavailableError(f"{where} {problem}", cause=cause, next_step=_LATER, details={"status": status})
        case _:
            return DataError(f"{what}: Cloud Scheduler refused it", cause=cause)


def _forbidden(message: str, cause: str, what: str) -> NotAuthorisedError:
    if _DISABLED.search(message):
        step = "Enable it: gcloud services enable cloudscheduler.googleapis.com"
        return NotAuthorisedError("this project does not use Cloud Scheduler", cause=cause, next_step=step)
    found = _PERMISSION.search(message)
    permission = found[1] if found else None
    missing = f": permission {permission} is missing" if permission else ""
    return NotAuthorisedError(
        f"{what}: this account is not allowed to do that{missing}",
        cause=cause,
        next_step=f"Ask for the role {_ROLES.get(permission or '', _ADMIN)}. Also check the region: --region.",
        details={"permission": permission},
    )
