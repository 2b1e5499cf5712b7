"""A server that speaks as much of Sentry's protocol as a client that sends failures needs."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from tests.kit.http_server import LoopbackServer


class SentryServer:
    """Keeps what it is sent; while `silent` it takes requests and does not answer them."""

    def __init__(self, *, silent: bool = False, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        ended = self._ended = threading.Event()
        kept, paths = self.bodies, self.paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.append(self.path)
                kept.append(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
                if silent:
                    ended.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.dsn = f"http://public-key-1@127.0.0.1:{self._server.server_port}/17"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was sent, one event an envelope: a line about the envelope, one about the item, the item."""
        return [json.loads(body.split(b"\n")[2]) for body in self.bodies]
