"""An endpoint that messages are pushed to: a real HTTP server on the loopback."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from nbactl.core.service.push import parse_push
from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.core.service.push import PushMessage


@dataclass
class Endpoint:
    """What was pushed, in the order of arrival.

    `answer` gives the status for a message, and may block; `text` is the body of all answers.
    """

    answer: Callable[[PushMessage], int] = lambda _: 204
    received: list[PushMessage] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    text: str = ""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until `condition` holds."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout=seconds), f"only {len(self.received)} were pushed"

    def wait_for_count(self, count: int, seconds: float = 20.0) -> None:
        """Wait until `count` messages were pushed."""
        self.wait_for(lambda: len(self.received) >= count, seconds)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Note a request and return the status of its answer."""
        message = parse_push(body)
        with self.changed:
            self.received.append(message)
            self.bodies.append(json.loads(body))
            self.headers.append(headers)
            self.changed.notify_all()
        return self.answer(message)


@contextmanager
def serving(endpoint: Endpoint, port: int = 0) -> Iterator[Endpoint]:
    """Serve an endpoint, at once reachable at `endpoint.url`; afterwards connections are refused."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(endpoint.take(body, {name.lower(): value for name, value in self.headers.items()}))
            text = endpoint.text.encode()
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            return

    server = LoopbackServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    endpoint.url = f"http://127.0.0.1:{server.server_port}/push"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
