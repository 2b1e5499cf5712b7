"""ASGI middleware with the addresses that a platform asks: `/live`, `/ready`, `/health`.

| address | answer |
|---|---|
| `/live` | 200 as long as the process can answer at all; looks at no dependency |
| `/ready` | 200 if work should be sent here; 503 while it starts or stops, or a critical dependency fails |
| `/health` | `application/health+json`; 503 if a critical dependency fails |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.health.report import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.clock import Clock
    from nbactl.core.health.report import Reports
    from nbactl.core.health.traffic import Traffic
    from nbactl.core.idempotency.asgi import App, Receive, Scope, Send

_ALIVE: Final = Answer(200, b'{"live": true}\n')
_NOT_ALLOWED: Final = Answer(405, b'{"error": {"code": "usage", "message": "only GET and HEAD are answered here"}}\n')
_JSON, _HEALTH_JSON = b"application/json", b"application/health+json"


class Probes:
    """Answers the three addresses and counts every other request, whose answers are the app's."""

    def __init__(self, app: App, reports: Reports, traffic: Traffic, *, clock: Clock) -> None:
        self._app = app
        self._traffic = traffic
        self._monotonic = clock.monotonic
        self._answers: dict[str, tuple[Callable[[], Answer], bytes]] = {
            "/live": (lambda: _ALIVE, _JSON),
            "/ready": (reports.ready, _JSON),
            "/health": (reports.health, _HEALTH_JSON),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = self._answers.get(scope["path"])
        if known is not None:
            await _send(known, scope["method"], send)
            return
        began = self._monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            self._traffic.add(self._monotonic() - began)


async def _send(known: tuple[Callable[[], Answer], bytes], method: str, send: Send) -> None:
    answer_now, content_type = known
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
    if method in ("GET", "HEAD"):
        answer = answer_now()
    else:
        answer = _NOT_ALLOWED
        headers = [(b"content-type", _JSON), (b"allow", b"GET, HEAD")]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
