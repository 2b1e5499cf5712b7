"""One POST request to a service, and what kind of failure it was if there is no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import requests  # noqa: TID253 - the adapter itself
import urllib3.exceptions

from nbactl.adapters.cloudrun.answers import MAX_BODY, Answer
from nbactl.core.calls.deadline import remaining
from nbactl.errors import TimedOutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.adapters.cloudrun.requests import ServiceRequest

_CHUNK: Final = 1 << 16
_NOT_SENT: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.ProxyError,
)


class CutOffError(UnavailableError):
    """The connection ended after the request was sent and before its answer was read: it may have been taken."""

    code = "cut_off"


def post(request: ServiceRequest, headers: Mapping[str, str], *, connect: float, limit: float, direct: bool) -> Answer:
    """Send a request and return its answer; `limit` seconds, and the deadline in force, bound the whole of it.

    Each request has a connection of its own, for a kept one may be closed by the other side just when it is used, and
    then nobody knows whether the request arrived. With `direct` no proxy of the environment is used. Raises
    CutOffError, and UnavailableError if the request cannot have been sent.
    """
    left = remaining(limit)
    if left <= 0:
        raise TimedOutError(f"no time is left to call {request.what}", cause="The deadline has passed.")
    with requests.Session() as session:
        session.trust_env = not direct
        try:
            with session.post(
                request.url + request.path,
                data=request.body,
                headers={"Content-Type": "application/json", **headers},
                timeout=(min(connect, left), left),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = b""
                for chunk in answer.iter_content(_CHUNK):
                    body += chunk
                    if len(body) > MAX_BODY or remaining(limit) <= 0:
                        break
                return Answer(answer.status_code, dict(answer.headers.items()), body)
        except requests.RequestException as error:
            if _cannot_have_arrived(error):
                raise UnavailableError(
                    f"{request.service} cannot be reached at {request.url}",
                    cause=str(error),
                    next_step=f"Check that it is deployed in {request.region}: {request.describe}",
                    details={"happened": False},
                ) from error
            raise CutOffError(
                f"the connection to {request.what} was lost before its answer", cause=str(error)
            ) from error


def _cannot_have_arrived(error: requests.RequestException) -> bool:
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL, requests.exceptions.MissingSchema)):
        return True
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return isinstance(reason, _NOT_SENT)
