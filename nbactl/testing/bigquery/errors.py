"""Errors as BigQuery answers them: reasons, their HTTP codes, bodies.

https://cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError, NbactlError, NotFoundError, UnsupportedSqlError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES: Final = {
    "accessDenied": 403,
    "authError": 401,
    "backendError": 503,
    "badRequest": 400,
    "bytesBilledLimitExceeded": 400,
    "conditionNotMet": 412,
    "duplicate": 409,
    "internalError": 500,
    "invalid": 400,
    "invalidQuery": 400,
    "notFound": 404,
    "notImplemented": 501,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "resourceInUse": 400,
    "resourcesExceeded": 400,
    "responseTooLarge": 403,
    "stopped": 400,
    "timeout": 400,
}
_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
QUOTAS: Final = "For more information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas"
_PLACE: Final = re.compile(r" \(line (\d+), column (\d+)\)")


class ApiError(Exception):
    """A request or a job that fails, with BigQuery's reason."""

    def __init__(self, reason: str, message: str, *, code: int | None = None, location: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.code = code or _CODES.get(reason, 400)
        self.location = location or ("query" if reason == "invalidQuery" else None)

    def proto(self) -> dict[str, str]:
        """Return it as an ErrorProto, the form that a job's `errorResult` has."""
        where = {"location": self.location} if self.location else {}
        return {"reason": self.reason, **where, "message": self.message}

    def body(self) -> dict[str, Any]:
        """Return the body of the HTTP answer."""
        where = {"locationType": "other" if self.location == "query" else "parameter"} if self.location else {}
        entry = {"message": self.message, "domain": "global", **self.proto(), **where}
        status = _STATUS.get(self.code, "UNKNOWN")
        return {"error": {"code": self.code, "message": self.message, "errors": [entry], "status": status}}


def job_error(proto: Mapping[str, str]) -> ApiError:
    """Return a failed job's error as the error of the request that asked for its results."""
    return ApiError(proto["reason"], proto["message"], location=proto.get("location"))


def not_found(what: str, name: str, location: str | None = None) -> ApiError:
    """Return the error for a Dataset, Table or Job that is not there."""
    where = f" was not found in location {location}" if location else ""
    return ApiError("notFound", f"Not found: {what} {name}{where}")


def already_there(what: str, name: str) -> ApiError:
    """Return the error for a Dataset, Table or Job that is there already."""
    return ApiError("duplicate", f"Already Exists: {what} {name}")


def wrong_kind(name: str, kind: str) -> ApiError:
    """Return the error for a statement that does not take a TABLE, VIEW or SNAPSHOT."""
    return ApiError("invalid", f"{name} is not allowed for this operation because it is currently a {kind}.")


def invalid_query(message: str) -> ApiError:
    """Return the error for a statement that cannot be run."""
    return ApiError("invalidQuery", message)


def of_translation(error: NbactlError) -> ApiError:
    """Return an error of the translator in BigQuery's words; what only this server lacks is `notImplemented`."""
    text, details = str(error), dict(error.details or {})
    message = _PLACE.sub(lambda found: f" at [{found[1]}:{found[2]}]", text)
    if isinstance(error, UnsupportedSqlError):
        found = _PLACE.search(text)
        where = f" at [{found[1]}:{found[2]}]" if found else ""
        lacking = details.get("construct", message)
        return ApiError("notImplemented", f"The test server cannot run this statement: it lacks {lacking}{where}")
    if isinstance(error, NotFoundError) and "column" in details:
        found = _PLACE.search(text)
        where = f" at [{found[1]}:{found[2]}]" if found else ""
        hint = f"; {error.next_step}" if error.next_step else ""
        return invalid_query(f"Unrecognized name: {details['column']}{hint}{where}")
    if isinstance(error, DataError) and text.startswith("SQL syntax error"):
        place = f" at [{details['line']}:{details['column']}]" if details.get("line") else ""
        return invalid_query(f"Syntax error: {error.cause}{place}")
    if isinstance(error, DataError) and text.startswith("no value for query parameter @"):
        name = text.removeprefix("no value for query parameter @")
        return invalid_query(f"Query parameter '{name}' not found")
    return invalid_query(f"{message}: {error.cause}" if error.cause else message)
