"""Requests to an ASGI app without a server."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.core._support.aio import App


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def ask_async(
    app: App, path: str, method: str = "GET", *, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    sent: list[Any] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if given:
            return given.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    path, _, query = path.partition("?")
    scope = {"type": "http", "path": path, "query_string": query.encode(), "method": method, "headers": raw}
    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    told = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, told)


def ask(app: App, path: str, method: str = "GET", *, body: bytes = b"") -> Answer:
    return asyncio.run(ask_async(app, path, method, body=body))


def push(
    app: App, path: str, data: Any, *, message_id: str = "1", attributes: Mapping[str, str] | None = None
) -> Answer:
    """Push a message with JSON data as Pub/Sub does."""
    return ask(app, path, "POST", body=envelope(data, message_id=message_id, attributes=attributes))


def envelope(data: Any, *, message_id: str = "1", attributes: Mapping[str, str] | None = None) -> bytes:
    """Return the body of a push request."""
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    message = {"data": encoded, "attributes": dict(attributes or {}), "messageId": message_id}
    return json.dumps({"message": message, "subscription": "s"}).encode()


def post(app: App, path: str, data: Any) -> Answer:
    """Post JSON."""
    return ask(app, path, "POST", body=json.dumps(data).encode())
