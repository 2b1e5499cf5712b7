"""/metrics over ASGI."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.observe.events import Event
from nbactl.core.observe.metrics import Metrics, metrics_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.aio import Message


async def call(metrics: Metrics, **scope: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], **scope}
    await metrics_app(metrics)(given, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


def ask(**scope: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    return asyncio.run(call(Metrics(), **scope))


def test_get_answers_the_text_format_with_its_version() -> None:
    metrics = Metrics()
    metrics.hook(Event("run.started", "phase3"))
    status, headers, body = asyncio.run(call(metrics))
    assert status == 200
    assert headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
    assert int(headers[b"content-length"]) == len(body)
    assert b'nbactl_runs_started_total{name="phase3"} 1.0\n' in body


def test_head_answers_the_same_headers_and_no_body() -> None:
    status, headers, body = ask(method="HEAD")
    assert status == 200
    assert headers == ask()[1]
    assert body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    status, headers, _ = ask(method=method)
    assert status == 405
    assert headers[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize(
    ("path", "root", "status"),
    [
        ("/metrics", "", 200),
        ("/metrics/", "", 200),
        ("/ops/metrics", "/ops", 200),  # routers that leave the mount in the path
        ("/metrics", "/ops", 200),  # and those that take it away
        ("", "/metrics", 200),
        ("/", "/metrics", 200),
        ("/", "", 404),
        ("/metricsx", "", 404),
        ("/health", "", 404),
    ],
)
def test_it_answers_at_metrics_wherever_it_is_mounted(path: str, root: str, status: int) -> None:
    assert ask(path=path, root_path=root)[0] == status


def test_the_text_is_made_outside_of_the_event_loop() -> None:
    made_in: list[int] = []

    class Watching(Metrics):
        def exposition(self) -> bytes:
            made_in.append(threading.get_ident())
            return super().exposition()

    asyncio.run(call(Watching()))
    assert made_in
    assert made_in[0] != threading.get_ident()


def test_it_lives_and_ends_as_a_server_wants() -> None:
    told: Iterator[Message] = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Message:
        return next(told)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def serve() -> None:
        await metrics_app(Metrics())({"type": "lifespan"}, receive, send)

    asyncio.run(serve())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_websocket_is_refused() -> None:
    with pytest.raises(ValueError, match="websocket"):
        ask(type="websocket")
