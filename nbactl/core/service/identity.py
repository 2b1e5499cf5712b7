"""ASGI middleware that lets in only those whose identity token is verified."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from nbactl.errors import NbactlError, NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbactl.core._support.aio import App, Receive, Scope, Send

_LOG = logging.getLogger("nbactl.identity")
_SCHEME: Final = "bearer"
_LONGEST_TOKEN: Final = 8_192
"""Characters. Google's tokens have about 800."""
_POLICY_VIOLATION: Final = 1008
"""The code with which a WebSocket is closed (RFC 6455)."""

Verify = Callable[[str], Awaitable[str]]
"""Returns the account that a token proves. Raises NotAuthorisedError for a token that proves nothing,
AccountRefusedError for an account that may not call, and UnavailableError where neither can be found out now."""


class AccountRefusedError(NotAuthorisedError):
    """The account of the caller is known, and may not call."""


class RequireIdentity:
    """Wraps an ASGI app. A request needs `Authorization: Bearer TOKEN`; one for a path in `open_paths` does not.

    | what came | answer |
    |---|---|
    | no token, or one that is expired, forged or for others | 401 |
    | the token of an account that may not call | 403 |
    | a token that cannot be verified now | 503 |

    The answer and the log say why. Neither has any part of the token.
    """

    def __init__(self, app: App, verify: Verify, *, open_paths: Collection[str] = ()) -> None:
        self._app = app
        self._verify = verify
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in self._open_paths):
            await self._app(scope, receive, send)
            return
        try:
            await self._verify(_token(scope))
        except (NotAuthorisedError, UnavailableError) as error:
            await _refuse(scope, receive, send, error)
            return
        await self._app(scope, receive, send)


def _token(scope: Scope) -> str:
    found = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if not found:
        raise NotAuthorisedError("the request has no identity token", next_step=_NEEDED)
    value: bytes = found[0]
    scheme, _, token = (part.strip() for part in value.decode("latin-1").partition(" "))
    if len(found) > 1 or scheme.lower() != _SCHEME or not token or not token.isascii() or len(token) > _LONGEST_TOKEN:
        raise NotAuthorisedError("the request has no usable identity token", next_step=_NEEDED)
    return token


_NEEDED: Final = "Send `Authorization: Bearer TOKEN` with a Google identity token for the audience of this service."


async def _refuse(scope: Scope, receive: Receive, send: Send, error: NbactlError) -> None:
    # Not the traceback: what is below may quote the token.
    _LOG.warning("a request to %s is refused: %s. %s", scope["path"], error.message, error.cause or "")
    if scope["type"] != "http":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    status = 503 if isinstance(error, UnavailableError) else 403 if isinstance(error, AccountRefusedError) else 401
    fields = {"code": error.code, "message": error.message, "cause": error.cause, "next": error.next_step}
    body = json.dumps({"error": fields}).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:  # noqa: PLR2004 - the status that RFC 6750 wants the header for
        headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
