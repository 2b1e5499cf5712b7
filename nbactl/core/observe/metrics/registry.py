"""`/metrics` of a service, as a plain ASGI app."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.core._support.asgi import App, Receive, Scope, Send
    from nbactl.core.metrics.registry import Metrics

PATH: Final = "/metrics"
_PLAIN: Final = "text/plain; charset=utf-8"


def metrics_app(metrics: Metrics) -> App:
    """Return the app that answers `/metrics`, wherever it is mounted; it also runs alone.

    The text is made in a thread, so that other requests are not held up by a scrape.
    """
    from nbactl.core.metrics.registry import CONTENT_TYPE  # noqa: PLC0415 - this package's __init__ imports both

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            raise ValueError(f"/metrics is asked for by HTTP, not by {scope['type']}")
        elif not _asked_for(scope).endswith(PATH):
            await _answer(scope, send, 404, b"not found; metrics are at /metrics\n", _PLAIN)
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(scope, send, 405, b"use GET\n", _PLAIN, (b"allow", b"GET, HEAD"))
        else:
            await _answer(scope, send, 200, await asyncio.to_thread(metrics.exposition), CONTENT_TYPE)

    return app


def _asked_for(scope: Scope) -> str:
    """Return the path without a mount: routers disagree on whether `path` has it."""
    root, path = scope.get("root_path", ""), scope["path"]
    return str(path if path.startswith(root) else root + path).rstrip("/")


async def _answer(
    scope: Scope, send: Send, status: int, body: bytes, content_type: str, *headers: tuple[bytes, bytes]
) -> None:
    about = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return
