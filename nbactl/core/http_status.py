"""What the status of an HTTP answer means for the call: done, refused for good, or worth another try (RFC 9110, 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.retry_after import retry_after_seconds
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, NotFoundError, PreconditionError, UnavailableError

if TYPE_CHECKING:
    from datetime import datetime

_LATER: Final = frozenset({408, 425, 429})
"""Request Timeout, Too Early (RFC 8470), Too Many Requests (RFC 6585): the same request may succeed later."""
_REFUSALS: Final[dict[int, type[NbactlError]]] = {
    401: NotAuthorisedError,
    403: NotAuthorisedError,
    404: NotFoundError,
    410: NotFoundError,
    409: PreconditionError,
    412: PreconditionError,
}
_GOOD, _SERVER = range(200, 300), 500


def check_status(what: str, status: int, *, now: datetime, retry_after: str | None = None, body: str = "") -> None:
    """Raise what an answer that is not 2xx stands for; `what` was asked, such as `GET /form of stats`.

    UnavailableError for what may succeed later (408, 425, 429 and 5xx), with the seconds that the header Retry-After
    asks to wait; NotAuthorisedError, NotFoundError and PreconditionError by their codes; DataError for every other one,
    redirects among them, for a call that was to do something has done nothing then.
    """
    if status in _GOOD:
        return
    message, cause = f"{what} answered {status}", body.strip() or None
    if status in _LATER or status >= _SERVER:
        raise UnavailableError(message, cause=cause, retry_after=retry_after_seconds(retry_after, now))
    raise _REFUSALS.get(status, DataError)(message, cause=cause)
