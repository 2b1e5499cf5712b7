"""Requests of a load over HTTP: push envelopes of Pub/Sub, or plain GET requests."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from nbactl.checks.load.open_loop import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Method = Literal["POST", "GET"]


@asynccontextmanager
async def http_sender(
    url: str, method: Method, load_id: str, *, most_open: int, connect: float, limit: float
) -> AsyncIterator[Callable[[int], Awaitable[str]]]:
    """Yield what sends one request to `url` and returns its status.

    `connect` is the limit of a connection, `limit` that of the whole request, in seconds.
    """
    import httpx2

    limits = httpx2.Limits(max_connections=most_open, max_keepalive_connections=most_open)
    # Without a proxy: it would be measured instead.
    async with httpx2.AsyncClient(
        limits=limits, timeout=httpx2.Timeout(limit, connect=connect), trust_env=False
    ) as client:
        headers = {"content-type": "application/json"} if method == "POST" else None

        async def send(number: int) -> str:
            body = envelope(load_id, number) if method == "POST" else None
            try:
                async with asyncio.timeout(limit):
                    answer = await client.request(method, url, content=body, headers=headers)
            except TimeoutError as error:
                raise NoAnswerError("timeout") from error
            except httpx2.HTTPError as error:
                raise NoAnswerError(_kind(error)) from error
            return str(answer.status_code)

        yield send


def envelope(load_id: str, number: int) -> bytes:
    """Return the push request of a message whose data name the load and the number of the request."""
    data = json.dumps({"load_id": load_id, "number": number}).encode()
    message = {
        "data": base64.b64encode(data).decode("ascii"),
        "messageId": f"{load_id}-{number}",
        "attributes": {"load_id": load_id},
    }
    return json.dumps({"message": message, "subscription": f"projects/load/subscriptions/{load_id}"}).encode()


def _kind(error: Exception) -> str:
    """Return the failure in words: `ConnectTimeout` becomes `connect timeout`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
