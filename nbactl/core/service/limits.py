"""ASGI middleware that bounds how many requests are worked on at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.core._support.aio import App, Receive, Scope, Send

_UNAVAILABLE: Final = 503
_BODY: Final = b'{"error": {"code": "busy", "message": "this instance is working on as many requests as it may"}}\n'


class ConcurrencyLimit:
    """Refuses requests beyond `most` with 503 and Retry-After, so that Pub/Sub and callers come back later."""

    def __init__(self, app: App, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._most:
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(_BODY)).encode()),
                (b"retry-after", b"1"),
            ]
            await send({"type": "http.response.start", "status": _UNAVAILABLE, "headers": headers})
            await send({"type": "http.response.body", "body": _BODY})
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
