"""What benchmarks/health.py serves: a whole service of ours, and an app that says hello."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.core._support.aio import Receive, Scope, Send
    from nbactl.core.service.service import Service


def ours() -> Service:
    """Return a service with all that stands around one: probes, metrics, graceful stop, propagation."""
    from nbactl.core.service.service import open_service  # noqa: PLC0415 - the other app is served without it

    return open_service("bench")


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer hello: what the server itself costs."""
    if scope["type"] == "lifespan":
        while (event := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{event}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b'{"status": "pass"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"18")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
