"""Requests to deployed services: what `/health` answers, and whether a route that does real work works.

`/health` alone proves little: it was 200 for weeks while every working route failed on import.
"""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.http import translated
from nbactl.errors import NbactlError, PreconditionError, TimedOutError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from nbactl.config.deployed import SmokeSpec
    from nbactl.core._support.clock import Clock
    from nbactl.ports.services import DeployedService

HealthState = Literal["pass", "warn", "fail", "up", "unknown"]
SmokeState = Literal["works", "broken", "unknown", "undeclared"]
_REPORTED: Final = ("pass", "warn", "fail")
_OK, _UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
_SERVER_ERROR: Final = 500
_INVOKER: Final = "Ask for the role Cloud Run Invoker (roles/run.invoker) on the service."
_INGRESS: Final = "There is no such route, or the service's ingress refuses calls from outside its network."
_SHOWN: Final = 200
_MOST: Final = 1 << 20
"""Bytes of an answer that are read."""


@frozen
class HealthReport:
    """What a service says of itself. `up`: it answers, and its answer is not a health report, as of the old programs.

    `took` is in seconds; `unknown` is a service that could not be asked, `error` says why.
    """

    service: str
    state: HealthState
    detail: str = ""
    config_digest: str | None = None
    release: str | None = None
    took: float | None = None
    error: NbactlError | None = None

    @property
    def is_green(self) -> bool:
        """Whether it takes work."""
        return self.state in ("pass", "warn", "up")


@frozen
class SmokeReport:
    """Whether a route works. `status` is what it answered; `health` is what `/health` says at the same time."""

    service: str
    state: SmokeState
    route: str | None = None
    status: int | None = None
    expected: int | None = None
    detail: str = ""
    health: HealthReport | None = None
    took: float | None = None
    error: NbactlError | None = None


@frozen
class _Answer:
    status: int
    body: str
    took: float


class Prober:
    """Calls services. Usable from any thread; each request is made once, without retries."""

    def __init__(
        self,
        token: Callable[[str], str | None],
        *,
        clock: Clock,
        health: float,
        smoke: float,
        new_id: Callable[[], str],
        direct: bool,
    ) -> None:
        """`token` returns the identity token for a service's address, None where none is needed.

        `health` and `smoke` are how many seconds a request may take. With `direct` no proxy of the environment is used.
        """
        self._token = token
        self._clock = clock
        self._limits = {"health": health, "smoke": smoke}
        self._new_id = new_id
        self._direct = direct
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            self._client.close()

    def health(self, service: DeployedService) -> HealthReport:
        """Ask for `/health`. Never raises NbactlError: a service that cannot be asked is `unknown`."""
        try:
            answer = self._call(service, "GET", "/health", None, "health")
        except NbactlError as error:
            return HealthReport(service.name, "unknown", error.message, error=error)
        if answer.status in (_UNAUTHORISED, _FORBIDDEN):
            return HealthReport(service.name, "unknown", _refused(answer.status), took=answer.took)
        report = _object(answer.body)
        status = report.get("status")
        if status not in _REPORTED:
            state: HealthState = "up" if answer.status == _OK else "fail"
            said = f"{answer.status} without a health report"
            return HealthReport(service.name, state, said, took=answer.took)
        return HealthReport(
            service.name,
            status if answer.status == _OK else "fail",
            str(report.get("output") or ""),
            _text(report.get("configDigest")),
            _text(report.get("releaseId")),
            answer.took,
        )

    def smoke(self, service: DeployedService, spec: SmokeSpec | None) -> SmokeReport:
        """Call the declared route, and `/health` beside it. Never raises NbactlError."""
        if spec is None:
            return SmokeReport(service.name, "undeclared", detail="declares no route")
        route = f"{spec.method} {spec.path}"
        health = self.health(service)
        try:
            answer = self._call(service, spec.method, spec.path, smoke_body(spec, self._new_id), "smoke")
        except NbactlError as error:
            state: SmokeState = "broken" if health.is_green else "unknown"
            return SmokeReport(service.name, state, route, None, spec.expect, error.message, health, error=error)
        works, refused = answer.status == spec.expect, answer.status in (_UNAUTHORISED, _FORBIDDEN)
        return SmokeReport(
            service.name,
            "works" if works else "unknown" if refused else "broken",
            route,
            answer.status,
            spec.expect,
            "" if works else _explained(answer, spec, health),
            health,
            answer.took,
        )

    def _call(self, service: DeployedService, method: str, path: str, body: bytes | None, limit: str) -> _Answer:
        """Send one request; its limit bounds the whole of it."""
        what, seconds = f"{method} {path} of {service.name}", remaining(self._limits[limit])
        if not service.url:
            raise PreconditionError(f"{service.name} has no address: {service.problem or 'it has never been ready'}")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if (token := self._token(service.url)) is not None:
            headers["Authorization"] = f"Bearer {token}"
        url, client = service.url.rstrip("/") + path, self._open()
        began = self._clock.monotonic()
        with (
            translated(service.name),
            client.stream(method, url, content=body, headers=headers, timeout=seconds) as answer,
        ):
            read = b""
            for chunk in answer.iter_bytes():
                read += chunk
                if self._clock.monotonic() - began > seconds:
                    raise TimedOutError(f"{what} did not answer in time")
                if len(read) > _MOST:
                    break
            took = self._clock.monotonic() - began
            return _Answer(answer.status_code, read.decode("utf-8", errors="replace"), took)

    def _open(self) -> httpx2.Client:
        """Return the client, made when it is first needed; it is shared, for making one takes a fifth of a second."""
        import httpx2

        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(trust_env=not self._direct)
            return self._client


def smoke_body(spec: SmokeSpec, new_id: Callable[[], str]) -> bytes | None:
    """Return what a smoke request sends; None for a GET request.

    A message as Pub/Sub pushes it has an id of its own each time: a duplicate would be acknowledged without any work.
    """
    if spec.method == "GET":
        return None
    if not spec.push:
        return json.dumps(spec.body).encode()
    data = base64.b64encode(json.dumps(spec.body).encode()).decode()
    message = {"data": data, "messageId": new_id(), "attributes": {}}
    return json.dumps({"message": message, "subscription": "nbactl"}).encode()


def _explained(answer: _Answer, spec: SmokeSpec, health: HealthReport) -> str:
    """Say what an answer that was not expected means."""
    if answer.status in (_UNAUTHORISED, _FORBIDDEN):
        return _refused(answer.status)
    said = " ".join(answer.body[:_SHOWN].split())
    begins = f": {said}" if said and not said.startswith("<") else ""
    what = f"answered {answer.status}, not {spec.expect}{begins}"
    if answer.status == _NOT_FOUND:
        return f"{what}. {_INGRESS}"
    if answer.status >= _SERVER_ERROR and health.is_green:
        return f"{what}. Its /health is green all the same."
    return what


def _refused(status: int) -> str:
    return f"this identity may not call it ({status}). {_INVOKER}"


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
