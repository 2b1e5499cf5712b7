"""BigQuery's errors as nbactl's, by their reason: one HTTP status means many things.

Source: cloud.google.com/bigquery/docs/error-messages.
"""

from __future__ import annotations

import concurrent.futures
import re
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import requests  # noqa: TID253 - the adapter itself
from google.api_core.exceptions import GoogleAPICallError, RetryError  # noqa: TID253 - the adapter itself
from google.auth.exceptions import (  # noqa: TID253 - the adapter itself
    DefaultCredentialsError,
    GoogleAuthError,
    TransportError,
)

from nbactl.errors import (
    AlreadyExistsError,
    ContentionError,
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

    from nbactl.adapters.bigquery.client import ClientHolder

_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_LATER: Final = "Try again in a few minutes; https://status.cloud.google.com shows outages."
_ROLES: Final = (
    ("bigquery.jobs.listAll", "BigQuery Resource Viewer (roles/bigquery.resourceViewer)"),
    ("bigquery.jobs.", "BigQuery Job User (roles/bigquery.jobUser)"),
    ("bigquery.datasets.create", "BigQuery User (roles/bigquery.user)"),
    ("bigquery.tables.getData", "BigQuery Data Viewer (roles/bigquery.dataViewer)"),
    ("bigquery.tables.get", "BigQuery Data Viewer (roles/bigquery.dataViewer)"),
    ("bigquery.tables.list", "BigQuery Data Viewer (roles/bigquery.dataViewer)"),
    ("bigquery.", "BigQuery Data Editor (roles/bigquery.dataEditor)"),
)
"""The least role that has a permission, by the permission's beginning."""
_PERMISSION: Final = re.compile(r"\b(bigquery\.\w+\.\w+)")
_PLACE: Final = re.compile(r" at \[(\d+):(\d+)\]")
_FOOTER: Final = re.compile(r"\n\nLocation: .*", re.DOTALL)
_MISSING: Final = re.compile(r"Not found: (\w+) ([^\s;,]+)")
_COLUMN: Final = re.compile(
    r"(?:Unrecognized name|Column not found): (?:\w+\.)*`?(\w+)`?|Name `?(\w+)`? not found inside"
)
_MEANT: Final = re.compile(r"[Dd]id you mean `?(\w+)`?")
_PARAMETER: Final = re.compile(r"[Qq]uery parameter '(\w+)' not found")
_BYTES: Final = re.compile(r"bytes billed: (\d+)\D+(\d+)")
_BUSY: Final = frozenset({"rateLimitExceeded", "quotaExceeded", "jobRateLimitExceeded", "userRateLimitExceeded"})
_FAILING: Final = frozenset(
    {"backendError", "internalError", "jobBackendError", "jobInternalError", "tableUnavailable"}
)
_QUEUE_FULL: Final = "Too many DML statements outstanding"
"""https://cloud.google.com/bigquery/docs/troubleshoot-quotas; its reason is that of a query that is too large."""
_CONFLICT: Final = re.compile(r"concurrent update|could not serialize", re.IGNORECASE)
_DISABLED: Final = re.compile(r"has not been used|is disabled|has not enabled BigQuery", re.IGNORECASE)


@contextmanager
def translated(client: ClientHolder, *, sql: str = "") -> Iterator[None]:
    """Raise the client's errors as nbactl's; `sql` is what was sent."""
    where = client.project.where
    try:
        yield
    except GoogleAPICallError as error:
        raise _refusal(error, client, sql) from error
    except (requests.Timeout, concurrent.futures.TimeoutError, RetryError) as error:
        raise timed_out(where) from error
    except (requests.RequestException, TransportError) as error:
        raise UnavailableError(f"{where} cannot be reached", cause=_short(error), next_step=_LATER) from error
    except DefaultCredentialsError as error:
        raise NotAuthorisedError("no Google credentials were found", cause=_short(error), next_step=_LOGIN) from error
    except GoogleAuthError as error:
        raise NotAuthorisedError(
            f"the credentials of {client.identity} are not accepted, or have expired",
            cause=_short(error),
            next_step=_LOGIN,
        ) from error


def timed_out(where: str) -> TimedOutError:
    """Return the error for a call that used up its time."""
    return TimedOutError(
        f"{where} did not answer in time",
        cause="the time limit of the call, or what was left of the run's deadline, is used up",
        next_step="Raise the limit in timeouts.yaml if the amount of data justifies it.",
    )


def raised_text(error: NbactlError, mark: str) -> str | None:
    """Return what a script of ours raised after `mark`, None for any other error."""
    cause = error.__cause__
    _, found, text = (_read(cause)[1] if isinstance(cause, GoogleAPICallError) else "").partition(mark)
    return _PLACE.sub("", text).strip() if found else None


def _refusal(error: GoogleAPICallError, client: ClientHolder, sql: str) -> NbactlError:
    reason, message = _read(error)
    code = int(error.code or 0)
    found = _Refusal(reason, message, code, client, {"reason": reason} | ({"sql": sql} if sql else {}))
    return found.passing() or found.lasting()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer that is an error."""

    reason: str
    message: str
    code: int
    client: ClientHolder
    details: dict[str, Any]

    @property
    def cause(self) -> str:
        return f"BigQuery says: {self.message} ({self.reason or self.code})"

    def passing(self) -> NbactlError | None:
        """Return the error for what may be over by the next attempt."""
        where, cause = self.client.project.where, self.cause
        if self.reason in _BUSY or self.code == HTTPStatus.TOO_MANY_REQUESTS or _QUEUE_FULL in self.message:
            return UnavailableError(f"{where} is over its quota or rate limit", cause=cause, next_step=_LATER)
        if _CONFLICT.search(self.message) or self.code == HTTPStatus.PRECONDITION_FAILED:
            return ContentionError(
                "another writer changed the table at the same time", cause=cause, details=self.details
            )
        if self.reason == "timeout" or "timed out" in self.message:
            return timed_out(where)
        if self.reason == "stopped":
            return UnavailableError("the job was cancelled", cause=cause, retryable=False, details=self.details)
        # The client makes 500 of a job's reason that it does not know, so that the number counts only without one.
        if self.reason in _FAILING or (not self.reason and self.code >= HTTPStatus.INTERNAL_SERVER_ERROR):
            return UnavailableError(f"{where} is failing", cause=cause, next_step=_LATER)
        return None

    def lasting(self) -> NbactlError:
        """Return the error for what only a change by somebody mends."""
        cause, details = self.cause, self.details
        if self.reason == "bytesBilledLimitExceeded":
            return _too_many_bytes(self.message, cause, details)
        if self.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or _DISABLED.search(self.message):
            return _not_authorised(self.code, self.message, cause, self.client)
        if self.code == HTTPStatus.NOT_FOUND or _MISSING.search(self.message):
            return _not_found(self.message, cause, details, self.client)
        if self.reason in ("duplicate", "alreadyExists") or self.code == HTTPStatus.CONFLICT:
            return AlreadyExistsError(f"{self.client.project.where}: it exists already", cause=cause, details=details)
        return _invalid(self.message, cause, details)


def _read(error: GoogleAPICallError) -> tuple[str, str]:
    """Return reason and message, without what the client adds to it."""
    first = next((found for found in error.errors if isinstance(found, dict)), {})
    message = str(first.get("message") or error.message or "nothing")
    return str(first.get("reason") or ""), _FOOTER.sub("", message).strip()


def _not_authorised(code: int, message: str, cause: str, client: ClientHolder) -> NbactlError:
    project = client.project.name
    if code == HTTPStatus.UNAUTHORIZED:
        return NotAuthorisedError(
            f"the credentials of {client.identity} are not accepted, or have expired", cause=cause, next_step=_LOGIN
        )
    if _DISABLED.search(message):
        return NotAuthorisedError(
            f"project {project} cannot use BigQuery",
            cause=cause,
            next_step=f"Correct --project, or enable it: gcloud services enable bigquery.googleapis.com "
            f"--project {project}",
        )
    found = _PERMISSION.search(message)
    permission = found[1] if found else "bigquery.tables.getData"
    role = next(role for start, role in _ROLES if permission.startswith(start))
    return NotAuthorisedError(
        f"{client.identity} may not do this in project {project}"
        + (f": permission {permission} is missing" if found else ""),
        cause=cause,
        next_step=f"Ask for the role {role}.",
        details={"identity": client.identity, "permission": found[1] if found else None, "project": project},
    )


def _invalid(message: str, cause: str, details: dict[str, Any]) -> NbactlError:
    text = message
    if place := _PLACE.search(message):
        line, column = int(place[1]), int(place[2])
        details |= {"line": line, "column": column}
        text = _PLACE.sub(f" (line {line}, column {column})", message)
    if name := _COLUMN.search(message):
        column_name = name[1] or name[2]
        meant = _MEANT.search(message)
        return NotFoundError(
            f"there is no column {column_name}",
            cause=cause,
            next_step=f"Did you mean '{meant[1]}'?" if meant else None,
            details={**details, "missing": "column", "column": column_name},
        )
    if parameter := _PARAMETER.search(message):
        return DataError(f"the query needs a parameter @{parameter[1]}", cause=cause, details=details)
    return DataError(f"the query is not valid: {text}", cause=cause, details=details)


def _not_found(message: str, cause: str, details: dict[str, Any], client: ClientHolder) -> NbactlError:
    found = _MISSING.search(message)
    kind, name = (found[1].lower(), found[2].strip("`'\".")) if found else ("", "")
    if kind == "project":
        return NotAuthorisedError(
            f"there is no project {name}",
            cause=cause,
            next_step="Correct --project; `gcloud projects list` shows those of this account.",
        )
    if kind not in ("table", "dataset"):
        return NotFoundError(f"{client.project.where}: not found", cause=cause, details=details)
    name = name.removeprefix(f"{client.project.name}:").removeprefix(f"{client.project.name}.")
    return NotFoundError(f"there is no {kind} {name}", cause=cause, details={**details, "missing": kind, kind: name})


def _too_many_bytes(message: str, cause: str, details: dict[str, Any]) -> NbactlError:
    found = _BYTES.search(message)
    limit, needed = (int(found[1]), int(found[2])) if found else (None, None)
    return PreconditionError(
        f"the query would read {needed:,} bytes, more than its limit of {limit:,}"
        if needed and limit
        else "the query would read more bytes than its limit allows",
        cause=cause,
        next_step="Filter by the partition column, or raise the limit" + (f": --max-bytes {needed}" if needed else "."),
        details={**details, "limit": limit, "bytes": needed},
    )


def _short(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
