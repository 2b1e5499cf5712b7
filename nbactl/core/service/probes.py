"""ASGI middleware with the addresses that a platform asks: `/live`, `/ready`, `/health`, `/metrics`.

| address | answer |
|---|---|
| `/live` | 200 as long as the process can answer at all; checks no dependency |
| `/ready` | 200 if work should be sent here; 503 while it starts or stops, or a critical dependency fails |
| `/health` | `application/health+json`; 503 if a critical dependency fails |
| `/metrics` | the text format of Prometheus, where metrics are given |

All other requests are counted, with their latencies, in memory that does not grow.
"""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.events import Event, noop_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nbactl.core._support.aio import App, Message, Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook
    from nbactl.core.service.health import CheckResult, Health


_FINEST: Final = 0.0001
_GROWTH: Final = 1.1
"""Each bucket ends a tenth above the one before: a percentile is at most so much too high."""
_BUCKETS: Final = 160
"""The last one ends after 400 s."""
_LOG_GROWTH: Final = math.log(_GROWTH)


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the requests of the last minutes: how many, their average and 95th percentile in seconds (None of none)."""

    recent: int
    average: float | None
    p95: float | None


class _Window:
    __slots__ = ("began", "buckets", "count", "total")

    def __init__(self, began: float) -> None:
        self.began = began
        self.buckets = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0


class RequestStats:
    """Counts requests; latencies are those of the window of `window` seconds under way and of the one before."""

    def __init__(self, clock: Clock, window: float) -> None:
        self._monotonic = clock.monotonic
        self._window = window
        self._lock = threading.Lock()
        self._now = self._before = _Window(clock.monotonic())
        self.total = 0
        """Requests since the start."""

    def add(self, seconds: float) -> None:
        """Count a request that took `seconds`."""
        bucket = 0 if seconds <= _FINEST else min(math.ceil(math.log(seconds / _FINEST) / _LOG_GROWTH), _BUCKETS - 1)
        with self._lock:
            window = self._turn()
            window.buckets[bucket] += 1
            window.count += 1
            window.total += seconds
            self.total += 1

    def latency(self) -> Latency:
        """Return how long the requests of the last minutes took."""
        with self._lock:
            now = self._turn()
            windows = (now,) if self._before is now else (self._before, now)
            count = sum(window.count for window in windows)
            if count == 0:
                return Latency(0, None, None)
            total = sum(window.total for window in windows)
            wanted, seen = math.ceil(0.95 * count), 0
            for bucket in range(_BUCKETS):
                seen += sum(window.buckets[bucket] for window in windows)
                if seen >= wanted:
                    return Latency(count, total / count, _FINEST * _GROWTH**bucket)
        raise AssertionError

    def _turn(self) -> _Window:
        """Return the current window; an old one without requests is dropped."""
        now = self._monotonic()
        age = now - self._now.began
        if age >= self._window:
            self._before = self._now if age < 2 * self._window else _Window(now)
            self._now = _Window(now)
        return self._now


_GOOD, _UNAVAILABLE = 200, 503
_FRESH: Final = 1.0
_INTERFACE: Final = "1"
"""The version of this report, as the draft wants one; it changes when a key goes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asked: the service, its version and what identifies its configuration."""

    service: str
    release: str
    config_digest: str


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """Status and JSON of an answer."""

    status: int
    body: bytes


class Reports:
    """Answers from the last results; an answer is at most a second old."""

    def __init__(
        self,
        identity: Identity,
        health: Health,
        traffic: RequestStats,
        *,
        clock: Clock,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._identity = identity
        self._health = health
        self._traffic = traffic
        self._clock = clock
        self._is_stopping = is_stopping
        self._started = clock.monotonic()
        self._kept: dict[str, tuple[float, bool, ProbeResponse]] = {}

    def health(self) -> ProbeResponse:
        """Return how the service and each of its dependencies are; 503 if a critical one fails."""
        return self._fresh("health", self._render_health)

    def ready(self) -> ProbeResponse:
        """Return whether work should be sent here; 503 if not, with the reasons."""
        return self._fresh("ready", self._render_ready)

    def _fresh(self, name: str, render: Callable[[], ProbeResponse]) -> ProbeResponse:
        now, stopping = self._clock.monotonic(), self._is_stopping()
        kept = self._kept.get(name)
        if kept is not None and now - kept[0] < _FRESH and kept[1] == stopping:
            return kept[2]
        answer = render()
        self._kept[name] = (now, stopping, answer)
        return answer

    def _render_ready(self) -> ProbeResponse:
        reasons = self._health.unready(self._health.results())
        if self._is_stopping():
            reasons.insert(0, "stopping")
        return ProbeResponse(_UNAVAILABLE if reasons else _GOOD, _json({"ready": not reasons, "reasons": reasons}))

    def _render_health(self) -> ProbeResponse:
        results = self._health.results()
        status = self._health.status(results)
        report: dict[str, Any] = {
            "status": status,
            "version": _INTERFACE,
            "releaseId": self._identity.release,
            "serviceId": self._identity.service,
            "configDigest": self._identity.config_digest,
            "checks": {**self._own(), **self._dependencies(results)},
        }
        problems = [f"{name}: {result.output}" for name, result in results.items() if result and result.output]
        if problems:
            report["output"] = "; ".join(problems)
        return ProbeResponse(_UNAVAILABLE if status == "fail" else _GOOD, _json(report))

    def _own(self) -> dict[str, Any]:
        latency = self._traffic.latency()
        uptime = round(self._clock.monotonic() - self._started, 1)
        own: dict[str, Any] = {
            "uptime": [_measure(uptime, "s")],
            "requests:count": [_measure(self._traffic.total, "requests")],
        }
        if latency.average is not None and latency.p95 is not None:
            own["requests:averageTime"] = [_measure(round(latency.average * 1000, 2), "ms")]
            own["requests:p95Time"] = [_measure(round(latency.p95 * 1000, 2), "ms")]
        return own

    def _dependencies(self, results: Mapping[str, CheckResult | None]) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for name, result in results.items():
            entry: dict[str, Any] = {"componentType": self._health.component_type(name)}
            if result is None:
                entry |= {"status": "warn", "output": "not checked yet"}
            else:
                entry |= {"status": result.status, "time": _time(result.at)}
                if result.took is not None:
                    entry |= {"observedValue": result.took, "observedUnit": "ms"}
                if result.output is not None:
                    entry["output"] = result.output
            entries[f"{name}:responseTime"] = [entry]
        return entries


def _measure(value: float, unit: str) -> dict[str, Any]:
    return {"componentType": "system", "observedValue": value, "observedUnit": unit, "status": "pass"}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


_NO_ANSWER: Final = 500
"""What a server answers for an app that does not."""
_OTHER_ROUTE: Final = "(other)"
_ALIVE: Final = ProbeResponse(200, b'{"live": true}\n')
_NOT_ALLOWED: Final = ProbeResponse(
    405, b'{"error": {"code": "usage", "message": "only GET and HEAD are answered here"}}\n'
)
_JSON, _HEALTH_JSON = b"application/json", b"application/health+json"


class Probes:
    """Answers these addresses and counts every other request, whose answers are the app's.

    Each emits `http.served`, under the route that the app leaves in `scope["nbactl.route"]`.
    """

    def __init__(
        self,
        app: App,
        reports: Reports,
        traffic: RequestStats,
        *,
        clock: Clock,
        metrics: App | None = None,
        hook: Hook = noop_hook,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hook = hook
        self._traffic = traffic
        self._monotonic = clock.monotonic
        self._answers: dict[str, tuple[Callable[[], ProbeResponse], bytes]] = {
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


async def _send(known: tuple[Callable[[], ProbeResponse], bytes], method: str, send: Send) -> None:
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
