"""ASGI middleware with the addresses that a platform asks: `/live`, `/ready`, `/health`, `/metrics`.

| address | answer |
|---|---|
| `/live` | 200 as long as the process can answer at all; looks at no dependency |
| `/ready` | 200 if work should be sent here; 503 while it starts or stops, or a critical dependency fails |
| `/health` | `application/health+json`; 503 if a critical dependency fails |
| `/metrics` | the text format of Prometheus, where metrics are given |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.health.report import Answer
from nbactl.core.observe.events import Event, unheard

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.asgi import App, Message, Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core.health.report import Reports
    from nbactl.core.observe.events import Hook
    from nbactl.core.service.traffic import Traffic

_NO_ANSWER: Final = 500
"""What a server answers for an app that does not."""
_OTHER_ROUTE: Final = "(other)"
_ALIVE: Final = Answer(200, b'{"live": true}\n')
_NOT_ALLOWED: Final = Answer(405, b'{"error": {"code": "usage", "message": "only GET and HEAD are answered here"}}\n')
_JSON, _HEALTH_JSON = b"application/json", b"application/health+json"


class Probes:
    """Answers these addresses and counts every other request, whose answers are the app's.

    `http.served` is told of each, under the route that the app leaves in `scope["nbactl.route"]`.
    """

    def __init__(
        self,
        app: App,
        reports: Reports,
        traffic: Traffic,
        *,
        clock: Clock,
        metrics: App | None = None,
        hook: Hook = unheard,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hook = hook
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
        if scope["path"] == "/metrics" and self._metrics is not None:
            await self._metrics(scope, receive, send)
            return
        began, status = self._monotonic(), _NO_ANSWER

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            seconds = self._monotonic() - began
            self._traffic.add(seconds)
            route = scope.get("nbactl.route", _OTHER_ROUTE)
            self._hook(Event("http.served", route, {"status": status, "seconds": seconds}))


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
