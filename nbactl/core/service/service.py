"""A service of the pipeline: functions that work on pushed messages, wrapped in what every service has.

`open_service` composes one for this process. It is an ASGI app: `uvicorn my_module:service` serves it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from nbactl.core._support.aio import in_daemon_thread, is_async
from nbactl.core.observe.masking import mask
from nbactl.core.service.push import PROBE, PubSubPush
from nbactl.errors import NbactlError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.core._support.aio import App, Message, Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.observe.failures import Failures
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.service.push import PushMessage
    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore

_LOG = logging.getLogger(__name__)
H = TypeVar("H", bound="Callable[[PushMessage], object]")

_DONE, _BAD_REQUEST, _NOT_FOUND, _WRONG_METHOD = 204, 400, 404, 405
_NO_ENDPOINT: Final = b'{"error": {"code": "not_found", "message": "there is no such endpoint"}}\n'
_ONLY_POST: Final = b'{"error": {"code": "method_not_allowed", "message": "messages are pushed here by POST"}}\n'


class TimeLimits(Protocol):
    """Time limits by name, as timeouts.yaml has them."""

    def __getitem__(self, name: str) -> float:
        """Return a limit in seconds. Raises ConfigError for a name that there is not."""
        ...


class HttpApp(Protocol):
    """An ASGI app for requests that are not pushed messages."""

    @property
    def paths(self) -> Sequence[str]:
        """The paths that it answers."""
        ...

    @property
    def probed(self) -> Sequence[tuple[str, str]]:
        """Method and path of the routes that test themselves on a request with PROBE in its scope."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...


class Parts(Protocol):
    """What a service works with; made by the composition root, or by a test."""

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    @property
    def documents(self) -> DocumentStore:
        """Where state is kept."""
        ...

    @property
    def policies(self) -> CallPolicies:
        """How dependencies are called."""
        ...

    @property
    def idempotency(self) -> Idempotency:
        """What does a message's work once."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What announces changes in the commit that makes them."""
        ...

    @property
    def timeouts(self) -> TimeLimits:
        """Time limits by name."""
        ...

    def alert(self, alert: Alert) -> None:
        """Send an alert; never raises. It may wait for the channel, so a coroutine calls it in a thread."""
        ...

    @property
    def failures(self) -> Failures:
        """Where failures are reported."""
        ...

    def start(self) -> None:
        """Start the background tasks; called once, before the first request."""
        ...

    def around(self, app: App) -> App:
        """Return `app` inside what every service has: probes, metrics, context, graceful stop."""
        ...


class Service:
    """An ASGI app that hands pushed messages to functions, each message's work done once.

    Outside in: what `parts.around` adds, then for each endpoint Pub/Sub's protocol and idempotency. `http` answers
    every request that is not for an endpoint.
    """

    def __init__(self, name: str, parts: Parts, http: HttpApp | None = None) -> None:
        self.name = name
        self.clock = parts.clock
        self.documents = parts.documents
        self.policies = parts.policies
        self.outbox = parts.outbox
        self.alert = parts.alert
        self.timeouts = parts.timeouts
        self.failures = parts.failures
        self._parts = parts
        self._http = http
        self._pushed: dict[str, Callable[[], object] | None] = {}
        self._endpoints: App = self._others
        self._app: App | None = None

    def push(
        self,
        path: str,
        *,
        timeout: str,
        key: Callable[[PushMessage], str] = lambda message: message.message_id,
        payload: Callable[[PushMessage], bytes | None] = lambda message: message.data,
        probe: Callable[[], object] | None = None,
    ) -> Callable[[H], H]:
        """Have a function work on the messages that are pushed to `path`; a plain one is called in a thread.

        `key` names the work, which is done once per key; `timeout` is a name in timeouts.yaml, and less than the
        subscription's acknowledgement deadline. The message is acknowledged when the function has returned and what it
        gave to `current_claim().write` is durable; when it raises, it is delivered again. A key that comes with another
        `payload` is refused; with None several messages may mean the same work. `probe` is called by `self_test`: it
        does what the function does without changing anything, and raises if that does not work.
        """
        limit = self.timeouts[timeout]

        def register(handler: H) -> H:
            self._endpoints = PubSubPush(
                _endpoint(path, handler, self._endpoints),
                self._parts.idempotency,
                path=path,
                timeout=limit,
                clock=self.clock,
                key=key,
                payload=payload,
                failures=self.failures,
            )
            self._pushed[path] = probe
            self._app = None
            return handler

        return register

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that it answers."""
        return (*self._pushed, *(() if self._http is None else self._http.paths))

    @property
    def endpoints(self) -> App:
        """The app without what every service has, to be served with others in one process."""
        return self._endpoints

    @property
    def probed(self) -> tuple[tuple[str, str], ...]:
        """Method and path of what tests itself."""
        own = tuple(("POST", path) for path, probe in self._pushed.items() if probe is not None)
        return own if self._http is None else (*own, *self._http.probed)

    def self_test(self) -> None:
        """Ask each route, through the layers that a request passes, whether it works. Raises UnavailableError if not.

        Everything that a request imports is imported.
        """
        for method, path in self.probed:
            status, body = asyncio.run(_ask(self._endpoints, method, path))
            if status >= _BAD_REQUEST:
                raise UnavailableError(f"{method} {path} does not work: {_reason(body) or status}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._app is None:
            self._app = self._parts.around(self._endpoints)
        await self._app(scope, receive, send)

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what no endpoint is for."""
        if scope["type"] == "lifespan":
            await _live(self._parts.start, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["path"] in self._pushed:
            await self._answer_at_endpoint(scope, send)
        elif self._http is not None:
            await self._http(scope, receive, send)
        else:
            await _answer(send, _NOT_FOUND, _NO_ENDPOINT)

    async def _answer_at_endpoint(self, scope: Scope, send: Send) -> None:
        """Answer what is not a message: a request of the service itself, or one with another method."""
        probe = self._pushed[scope["path"]]
        if PROBE not in scope or probe is None:
            await _answer(send, _WRONG_METHOD, _ONLY_POST, [(b"allow", b"POST")])
            return
        try:
            await in_daemon_thread(probe)
        except Exception as error:  # noqa: BLE001 - whatever it raises is why the route does not work
            await _answer(send, 503, probe_failure(error))
        else:
            await _answer(send, _DONE)


def open_service(name: str) -> Service:
    """Return the service `name` for this process, as its environment says (NBACTL_TARGET, NBACTL_STATE_DIR, …).

    Raises ConfigError for a wrong configuration.
    """
    # The composition root is above the core, so only this call loads it (import-linter knows of it).
    from nbactl.bootstrap.service import compose  # noqa: PLC0415

    try:
        return Service(name, compose(name))
    except NbactlError as error:
        # The server shows a traceback: with this it says what to correct.
        for note in filter(None, (error.cause, error.next_step)):
            error.add_note(note)
        raise


def _endpoint(path: str, handler: Callable[[PushMessage], object], others: App) -> App:
    """Return the app behind an endpoint's protocol: it calls the handler."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        message = scope.get("nbactl.message")
        if message is None or scope["path"] != path:
            await others(scope, receive, send)
            return
        if is_async(handler):
            await handler(message)
        else:
            # Not in a pool: the process would wait at its end for a handler that hangs.
            result = await in_daemon_thread(lambda: handler(message))
            if isawaitable(result):  # a plain function around a coroutine function: its work has only begun
                await result
        await _answer(send, _DONE)

    return answer


async def _live(start: Callable[[], None], receive: Receive, send: Send) -> None:
    """Live through the server's start and end (ASGI's lifespan protocol); a failure at the start is reported to it."""
    while (event := (await receive())["type"]) != "lifespan.shutdown":
        try:
            await asyncio.to_thread(start)
        except NbactlError as error:
            text = f"{error.message}. {error.cause or ''} {error.next_step or ''}".strip()
            await send({"type": "lifespan.startup.failed", "message": text})
            return
        await send({"type": f"{event}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def probe_failure(error: Exception) -> bytes:
    """Return the body of the answer of a route whose probe failed. What an unknown error says stays in the log."""
    if isinstance(error, NbactlError):
        reason = f"{error.message}: {error.cause}" if error.cause else error.message
    elif isinstance(error, ImportError):
        reason = f"{type(error).__name__}: {error}"
    else:
        reason = type(error).__name__
    _LOG.warning("a route does not work", exc_info=error)
    return json.dumps({"error": {"code": "self_test", "message": mask(reason)}}).encode()


async def _ask(app: App, method: str, path: str) -> tuple[int, bytes]:
    """Send a request that is not a message or call, but a test; returns status and body."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, object] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"}
    scope |= {"method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    await app({**scope, "headers": [], PROBE: True}, receive, send)
    status = next((int(message["status"]) for message in sent if "status" in message), 500)
    return status, b"".join(message.get("body", b"") for message in sent)


def _reason(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return None


async def _answer(send: Send, status: int, body: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())] if body else []
    await send({"type": "http.response.start", "status": status, "headers": [*kind, *headers]})
    await send({"type": "http.response.body", "body": body})
