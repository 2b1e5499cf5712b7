"""How the loopback Cloud Run is served: requests, the faults put in their way, and errors as Google words them."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED", 500: "INTERNAL"}
_STATUS |= {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str, status: str | None = None, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or _STATUS.get(code, "UNKNOWN")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    parameters: dict[str, str]
    body: Any
    authorization: str = ""


@dataclass
class Fault:
    """What happens to the next requests that match, instead of or after their work."""

    method: str
    times: int
    code: int = 0
    retry_after: str | None = None
    lose_answer: bool = False
    service: str = ""
    message: str = "the server was told to fail"


class State(Protocol):
    """What a server serves."""

    lock: threading.RLock

    def next_fault(self, request: Request) -> Fault | None: ...

    def handle(self, request: Request, fault: Fault | None) -> dict[str, Any]: ...


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    state: State

    def do_GET(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        return

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
        sent = json.loads(raw) if raw and self.command == "PATCH" else None
        authorization = self.headers.get("Authorization", "")
        request = Request(self.command, unquote(parts.path), parameters, sent, authorization)
        code, headers = 200, {"Content-Type": "application/json; charset=UTF-8"}
        with self.state.lock:
            fault = self.state.next_fault(request)
            try:
                body = self.state.handle(request, fault)
            except RefusedError as refused:
                code = refused.code
                body = {"error": {"code": code, "message": str(refused), "status": refused.status}}
                headers |= {"Retry-After": refused.retry_after} if refused.retry_after else {}
        if fault is not None and fault.lose_answer:
            self.close_connection = True
            return
        payload = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(payload))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)


@contextmanager
def serve(state: State) -> Iterator[str]:
    """Serve on a free port of loopback; yields its host:port."""
    server = LoopbackServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
