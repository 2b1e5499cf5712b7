"""A service of the pipeline: functions that work on pushed messages, wrapped in what every service has.

`open_service` composes one for this process. It is an ASGI app: `uvicorn my_module:service` serves it.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from nbactl.core._support.aio import in_daemon_thread, is_async
from nbactl.core.service.push import PubSubPush
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.aio import App, Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.observe.failures import Failures
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.service.push import PushMessage
    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore

H = TypeVar("H", bound="Callable[[PushMessage], object]")

_DONE: Final = 204


class TimeLimits(Protocol):
    """Time limits by name, as timeouts.yaml has them."""

    def __getitem__(self, name: str) -> float:
        """Return a limit in seconds. Raises ConfigError for a name that there is not."""
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

    Outside in: what `parts.around` adds, then for each endpoint Pub/Sub's protocol and idempotency.
    """

    def __init__(self, name: str, parts: Parts) -> None:
        self.name = name
        self.clock = parts.clock
        self.documents = parts.documents
        self.policies = parts.policies
        self.outbox = parts.outbox
        self.alert = parts.alert
        self.timeouts = parts.timeouts
        self.failures = parts.failures
        self._parts = parts
        self._endpoints: App = self._others
        self._app: App | None = None

    def push(
        self, path: str, *, timeout: str, key: Callable[[PushMessage], str] = lambda message: message.message_id
    ) -> Callable[[H], H]:
        """Have a function work on the messages that are pushed to `path`; a plain one is called in a thread.

        `key` names the work, which is done once per key; `timeout` is a name in timeouts.yaml, and less than the
        subscription's acknowledgement deadline. The message is acknowledged when the function has returned and what it
        gave to `current_claim().write` is durable; when it raises, it is delivered again.
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
                failures=self.failures,
            )
            self._app = None
            return handler

        return register

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
        else:
            await _not_found(send)


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
        await send({"type": "http.response.start", "status": _DONE, "headers": []})
        await send({"type": "http.response.body", "body": b""})

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


async def _not_found(send: Send) -> None:
    body = b'{"error": {"code": "not_found", "message": "there is no such endpoint"}}\n'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
