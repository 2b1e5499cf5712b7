"""A service for tests: `/alert?KEY` raises an alert, as the work of a request does; `/die` lets a thread die."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from nbactl.core.alerts import Alert
from nbactl.core.service import open_service

if TYPE_CHECKING:
    from nbactl.core.asgi import Receive, Scope, Send

service = open_service("small")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == "/alert":
        alert = Alert(scope["query_string"].decode(), "critical", "the feed is empty")
        await asyncio.to_thread(service.alert, alert)
    elif scope["type"] == "http" and scope["path"] == "/die":
        threading.Thread(target=lambda: 1 / 0, name="background").start()
    else:
        await service(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"told"})
