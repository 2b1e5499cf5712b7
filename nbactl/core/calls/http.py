"""What goes wrong in calls with httpx2, as errors that call policies know: which are worth another try, and when."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbactl.core.calls.deadline import current_deadline
from nbactl.core.http_status import check_status
from nbactl.errors import DataError, TimedOutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import httpx2


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise errors of httpx2 in the block as TimedOutError, or as UnavailableError where the network failed.

    `what` is who is called. A request that cannot be sent at all is a DataError. Holds for `await` in the block too.
    """
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise TimedOutError(f"{what} did not answer in time", cause=_told(error)) from error
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
        raise DataError(f"the request to {what} is wrong", cause=_told(error)) from error
    except httpx2.RequestError as error:
        raise UnavailableError(f"{what} could not be reached", cause=_told(error)) from error


def check_response(what: str, response: httpx2.Response, now: datetime, *, body: str = "") -> None:
    """Raise what an answer that is not 2xx stands for, as `core.http_status.check_status` says."""
    check_status(what, response.status_code, now=now, retry_after=response.headers.get("Retry-After"), body=body)


def read_within(what: str, response: httpx2.Response) -> bytes:
    """Return the body of a streamed answer. Raises TimedOutError when the deadline in force passes meanwhile.

    A client's own timeout bounds each wait for bytes; an answer that drips in would outlast any sum of them. A
    coroutine needs none of this: its policy cancels it.
    """
    parts = []
    for part in response.iter_bytes():
        parts.append(part)
        deadline = current_deadline()
        if deadline is not None:
            deadline.check(f"the rest of the answer of {what}")
    return b"".join(parts)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
