"""Requests to an ASGI app without a server."""

from __future__ import annotations

import asyncio
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
    await app({"type": "http", "path": path, "method": method, "headers": raw}, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    told = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, told)


def ask(app: App, path: str, method: str = "GET", *, body: bytes = b"") -> Answer:
    return asyncio.run(ask_async(app, path, method, body=body))
