"""Graceful stop of a service: on SIGTERM it takes no new work, ends what is under way, and gives back what it holds.

Cloud Run sends SIGTERM and ends the process ten seconds later. So all of it is bounded: requests that are not over
after `finish` seconds are cancelled, get `let_go` more to give back what they hold, and are cancelled once more; the
steps have `steps` seconds together, whatever one of them does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.aio import in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from nbactl.core._support.aio import App, Message, Receive, Scope, Send
    from nbactl.core._support.clock import Clock

_LOG = logging.getLogger("nbactl.stop")
_UNAVAILABLE: Final = 503
_BODY: Final = b'{"error": {"code": "unavailable", "message": "this instance is stopping"}}\n'


class GracefulStop:
    """What is done when the service stops. Steps are taken in the order in which they were added."""

    def __init__(self, clock: Clock, *, finish: float, let_go: float, steps: float) -> None:
        self.clock = clock
        self.finish = finish
        self.let_go = let_go
        self.is_stopping = False
        self._limit = steps
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, name: str, step: Callable[[], object]) -> None:
        """Have `step` called at the end, when no request is under way any more."""
        self._steps.append((name, step))

    async def run(self) -> None:
        """Take the steps; one that fails or hangs is logged and does not keep the others from being taken."""
        self.is_stopping = True
        end = self.clock.monotonic() + self._limit
        for number, (name, step) in enumerate(self._steps):
            # What is left is shared, so that the first one that hangs leaves something to those after it.
            share = max(0.0, end - self.clock.monotonic()) / (len(self._steps) - number)
            try:
                await asyncio.wait_for(in_daemon_thread(step), share)
            except TimeoutError:
                _LOG.error("stopping: %s is not over after %.1f s and is left alone", name, share)
            except Exception:  # noqa: BLE001 - the other steps are still taken
                _LOG.exception("stopping: %s failed", name)


class Stopping:
    """ASGI middleware that stops an app gracefully; it handles SIGTERM once the server has started.

    A second SIGTERM ends the process at once.
    """

    def __init__(self, app: App, stop: GracefulStop) -> None:
        self._app = app
        self._stop = stop
        self._under_way: set[asyncio.Task[Any]] = set()
        self._cut: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the server's start and end."""
        if scope["type"] == "lifespan":
            await self._app(scope, self._observed(receive), send)
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._stop.is_stopping:
            await _refuse(send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._under_way.add(task)
        try:
            await self._app(scope, receive, note)
        except asyncio.CancelledError:
            if task not in self._cut or begun:
                raise
            while task.uncancel():
                continue
            await _refuse(send)
        finally:
            self._under_way.discard(task)
            self._cut.discard(task)

    def _observed(self, receive: Receive) -> Receive:
        async def observe() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._listen()
            elif message["type"] == "lifespan.shutdown":
                await self._stop.run()
            return message

        return observe

    def _listen(self) -> None:
        """Handle SIGTERM before the server does; signals exist only in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop, servers = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)

        def terminate(number: int, frame: FrameType | None) -> None:
            if self._stop.is_stopping:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            self._stop.is_stopping = True
            loop.call_soon_threadsafe(self._begin, loop)
            if callable(servers):
                servers(number, frame)

        signal.signal(signal.SIGTERM, terminate)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        _LOG.info("stopping: %d requests under way", len(self._under_way))
        self._stop.clock.call_later(loop, self._stop.finish, self._cut_short)
        self._stop.clock.call_later(loop, self._stop.finish + self._stop.let_go, self._cut_off)

    def _cut_short(self) -> None:
        for task in self._under_way:
            _LOG.warning("stopping: a request is not over after %.1f s and is cancelled", self._stop.finish)
            self._cut.add(task)
            task.cancel("the service stops")

    def _cut_off(self) -> None:
        for task in self._cut & self._under_way:
            _LOG.warning("stopping: a request does not give back in time what it holds and is left alone")
            task.cancel("the service stops now")


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
        (b"connection", b"close"),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": _UNAVAILABLE, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})
