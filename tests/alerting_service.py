"""A service for the tests of alerts: `/alert?KEY` raises one, as the work of a request does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nbactl.core.alerts import Alert
from nbactl.core.service import open_service

if TYPE_CHECKING:
    from nbactl.core.asgi import Receive, Scope, Send

service = open_service("alerting")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == "/alert":
        alert = Alert(scope["query_string"].decode(), "critical", "the feed is empty")
        await asyncio.to_thread(service.alert, alert)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"told"})
    else:
        await service(scope, receive, send)
