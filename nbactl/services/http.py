"""JSON over HTTP for what is not a pushed message: routes, limits, and our errors as statuses.

| what happened | status |
|---|---|
| no JSON object in the body, or a value that is wrong in itself (UsageError) | 400 |
| no such route, or NotFoundError | 404 |
| another method | 405 |
| work in progress elsewhere, a lease that is held, another precondition | 409 |
| body too large | 413 |
| data that cannot be used (DataError) | 422 |
| retryable errors, and a route's time limit | 503 |
| anything else | 500 |
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from nbactl.core._support.aio import CutOff, in_daemon_thread, is_async
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.service.push import PROBE
from nbactl.core.service.service import probe_failure
from nbactl.errors import (
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
    UsageError,
)
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from nbactl.core._support.aio import Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.failures import Failures

MAX_BODY_BYTES: Final = 1024 * 1024
"""A request names dates and processors; what is larger is a mistake."""
_OK, _NO_CONTENT, _TOO_LARGE, _UNAVAILABLE, _BROKEN = 200, 204, 413, 503, 500


@frozen
class JsonAnswer:
    """An answer with another status than 200."""

    data: Mapping[str, Any]
    status: int


Handler = Callable[[dict[str, Any]], Mapping[str, Any] | JsonAnswer | Awaitable[Mapping[str, Any] | JsonAnswer]]
"""Gets the JSON object of a POST, or the parameters of a GET as text; a plain one is called in a thread."""


@frozen
class JsonRoute:
    """A route. `timeout` is in seconds. `probe` does what the handler does without changing anything, and raises."""

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    timeout: float
    probe: Callable[[], object] | None = None


class JsonRoutes:
    """An ASGI app with routes. A failure that is not the caller's is reported to `failures`."""

    def __init__(self, routes: Sequence[JsonRoute], *, clock: Clock, failures: Failures) -> None:
        self._clock = clock
        self._failures = failures
        self.paths = tuple(dict.fromkeys(route.path for route in routes))
        self.probed = tuple((route.method, route.path) for route in routes if route.probe is not None)
        self._app = Starlette(
            routes=[Route(route.path, self._endpoint(route), methods=[route.method]) for route in routes],
            exception_handlers={HTTPException: _refuse},
        )
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    def _endpoint(self, route: JsonRoute) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            request.scope["nbactl.route"] = route.path
            if PROBE in request.scope:
                return await _probe(route)
            what = f"{route.method} {route.path}"
            try:
                with deadline_scope(route.timeout, self._clock) as limit, CutOff(what, limit, limit.remaining()):
                    data = await _body(request) if route.method == "POST" else dict(request.query_params)
                    answered = await _call(route.handler, data)
            except Exception as error:  # noqa: BLE001 - every error has a status
                status = status_of(error)
                if status in (_BROKEN, _UNAVAILABLE):
                    self._failures.report(error, what, status=status)
                return _error(status, error)
            if isinstance(answered, JsonAnswer):
                return _json(answered.data, answered.status)
            return _json(answered)

        return answer


class TooLargeError(DataError):
    """The body is larger than any request needs."""

    code = "too_large"


def status_of(error: Exception) -> int:  # noqa: PLR0911 - a status for each kind
    """Return the status that an error is answered with."""
    match error:
        case TooLargeError():
            return _TOO_LARGE
        case PreconditionError():
            return 409
        case NotFoundError():
            return 404
        case NotAuthorisedError():
            return 403
        case UsageError():
            return 400
        case NbactlError(retryable=True):
            return _UNAVAILABLE
        case DataError():
            return 422
        case _:
            return _BROKEN


async def _call(handler: Handler, data: dict[str, Any]) -> Mapping[str, Any] | JsonAnswer:
    if is_async(handler):
        return await handler(data)  # type: ignore[no-any-return]
    # Not in a pool: the process would wait at its end for a handler that hangs.
    result = await in_daemon_thread(lambda: handler(data))
    return await result if isawaitable(result) else result


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; an empty body is an empty one. Raises UsageError, TooLargeError."""
    parts, size = [], 0
    too_large = TooLargeError(f"the body has more than {MAX_BODY_BYTES:,} bytes")
    if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:  # the server has checked that it is a number
        raise too_large
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise too_large
            parts.append(part)
    except ClientDisconnect as error:
        raise UsageError("the caller went away before the request was complete") from error
    text = b"".join(parts)
    if not text.strip():
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not JSON", cause=str(error)) from error
    if not isinstance(content, dict):
        raise UsageError("the body is not a JSON object")
    try:
        # JSON can escape half a surrogate pair. What repeats it, an answer or a document, is not UTF-8.
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UsageError("the body has a character that is not text", cause="It is a lone surrogate.") from error
    return content


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Return a switch of a request; one that is left out is off. Raises UsageError for what is not true or false."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"{name} is not true or false", next_step=f'Send {{"{name}": true}}, or leave it out.')
    return value


async def _probe(route: JsonRoute) -> Response:
    if route.probe is not None:
        try:
            await in_daemon_thread(route.probe)
        except Exception as error:  # noqa: BLE001 - whatever it raises is why the route does not work
            return Response(probe_failure(error), _UNAVAILABLE, media_type="application/json")
    return Response(status_code=_NO_CONTENT)


def _json(data: Mapping[str, Any], status: int = _OK, headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps(data, ensure_ascii=False, default=str) + "\n"
    # Half a character, which JSON can have and UTF-8 cannot, stays an escape of JSON.
    return Response(text.encode(errors="backslashreplace"), status, headers, media_type="application/json")


def _error(status: int, error: Exception) -> Response:
    if not isinstance(error, NbactlError):
        return _json({"error": {"code": "internal", "message": "this request failed; see the log"}}, status)
    fields = {"code": error.code, "message": error.message, "cause": error.cause, "next": error.next_step}
    headers = {}
    if status == _UNAVAILABLE:
        wait = error.retry_after if isinstance(error, UnavailableError) else None
        headers["Retry-After"] = str(math.ceil(wait or 1.0))
    return _json({"error": fields}, status, headers)


async def _refuse(_: Request, error: Exception) -> Response:
    """Answer what has no route, or another method."""
    status = error.status_code if isinstance(error, HTTPException) else _BROKEN
    code, message = {
        404: ("not_found", "there is no such endpoint"),
        405: ("method_not_allowed", "this endpoint takes another method"),
    }.get(status, ("refused", "the request was refused"))
    headers = error.headers if isinstance(error, HTTPException) else None
    return _json({"error": {"code": code, "message": message}}, status, headers)
