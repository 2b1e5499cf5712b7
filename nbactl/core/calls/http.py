"""Failures of calls with httpx2 as errors that call policies know: which to retry, and when."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nbactl.core.calls.deadline import current_deadline
from nbactl.core.calls.retry import retry_after_seconds
from nbactl.errors import (
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
    from datetime import datetime

    import httpx2

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
MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes of an answer, unpacked."""
_GOOD, _SERVER = range(200, 300), 500


def check_status(what: str, status: int, *, now: datetime, retry_after: str | None = None, body: str = "") -> None:
    """Raise the error for an answer that is not 2xx; `what` was asked, such as `GET /form of stats`.

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


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise errors of httpx2 in the block as TimedOutError, or as UnavailableError where the network failed.

    `what` is who is called. A request that cannot be sent at all is a DataError. Holds for `await` in the block too.
    """
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise TimedOutError(f"{what} did not answer in time", cause=_describe(error)) from error
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
        raise DataError(f"the request to {what} is wrong", cause=_describe(error)) from error
    except httpx2.RequestError as error:
        raise UnavailableError(f"{what} could not be reached", cause=_describe(error)) from error


def check_response(what: str, response: httpx2.Response, now: datetime, *, body: str = "") -> None:
    """Raise the error for an answer that is not 2xx, as `check_status` does."""
    check_status(what, response.status_code, now=now, retry_after=response.headers.get("Retry-After"), body=body)


def read_within(what: str, response: httpx2.Response, *, limit: int = MAX_BODY) -> bytes:
    """Return the body of a streamed answer, unpacked.

    Raises TimedOutError when the deadline in force passes meanwhile, DataError for more than `limit` bytes.

    A client's own timeout bounds each wait for bytes; a slow stream of bytes would outlast any sum of them. A
    coroutine needs none of this: its policy cancels it.
    """
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > limit:
            raise DataError(f"the answer of {what} is larger than {limit >> 20} MiB")
        parts.append(part)
        deadline = current_deadline()
        if deadline is not None:
            deadline.check(f"the rest of the answer of {what}")
    return b"".join(parts)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
