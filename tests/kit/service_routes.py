"""Deployed services as callers see them: `/health` and routes on loopback, below the name of each service."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.cloud_run_region import CloudRunRegion

HEALTHY = {"status": "pass", "version": "1", "releaseId": "0.1.0", "configDigest": "0123456789ab"}


@dataclass
class Routes:
    """What is answered, by service and path; anything else is 404. `calls` are service, method, path, headers, body."""

    address: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str, str, dict[str, str], Any]] = field(default_factory=list)

    def serve(self, region: CloudRunRegion, service: str, **health: Any) -> None:
        """Give a deployed service its address here, and a good `/health`."""
        region.services[service]["uri"] = f"{self.address}/{service}"
        self.answers[service, "/health"] = (200, HEALTHY | health)

    def paths(self, service: str) -> list[str]:
        """Return what was called of a service."""
        return [f"{method} {path}" for name, method, path, _, _ in self.calls if name == service]


class _Handler(BaseHTTPRequestHandler):
    routes: Routes

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        return

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, service, path = self.path.split("/", 2)
        self.routes.calls.append(
            (service, self.command, f"/{path}", dict(self.headers), json.loads(raw) if raw else None)
        )
        code, body = self.routes.answers.get((service, f"/{path}"), (404, {"error": "not found"}))
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@contextmanager
def service_routes() -> Iterator[Routes]:
    """Serve on a free port of loopback."""
    routes = Routes()
    server = LoopbackServer(("127.0.0.1", 0), type("_Bound", (_Handler,), {"routes": routes}))
    server.daemon_threads = True
    routes.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield routes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
