"""Coroutines and threads: cut-offs at a deadline, work in daemon threads, cancellation; the types of ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import copy_context
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from nbactl.core._support.durations import format_duration
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from types import TracebackType

    from nbactl.core.calls.deadline import Deadline


def is_async(function: Callable[..., Any]) -> TypeGuard[Callable[..., Awaitable[Any]]]:
    """Say whether calling `function` gives something to await; an object counts by its `__call__`."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


class CutOff:
    """Cancels what a coroutine does in the block when `deadline` passes, and raises TimedOutError then.

    As `asyncio.timeout`, but by the deadline's own clock, and without coroutines of its own: it costs a third. `what`
    is what is being done.
    """

    __slots__ = ("_call_off", "_cancelling", "_deadline", "_expired", "_seconds", "_task", "_what")

    def __init__(self, what: str, deadline: Deadline, seconds: float) -> None:
        self._what = what
        self._deadline = deadline
        self._seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is run by a task
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._call_off = self._deadline.clock.call_later(task.get_loop(), self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call_off()
        # Our own cancellation is taken back; if another caller cancelled the task as well, it ends.
        if self._expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimedOutError(
                f"{self._what} was cut off", cause=f"It took longer than {format_duration(self._deadline.seconds)}."
            ) from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()


_IDLE: Final = 10.0
"""Seconds after which a thread without work ends; nothing waits for that."""
_idle: list[_Worker] = []
"""Threads without work, the one that had some last at the end. Its operations are atomic, so it needs no lock."""


class _Worker:
    """A daemon thread that does one piece of work after another."""

    __slots__ = ("_turn", "_work")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work
        self._turn = threading.Lock()
        self._turn.acquire()
        threading.Thread(target=self._run, name="nbactl-call", daemon=True).start()

    def give(self, work: Callable[[], None]) -> None:
        """Do `work`, which must not raise, next; for a worker that was taken from `_idle`."""
        self._work = work
        self._turn.release()

    def _run(self) -> None:
        while self._work is not None:
            self._work()
            self._work = None  # what it holds is not kept for the next one
            _idle.append(self)
            if not self._turn.acquire(timeout=_IDLE):
                try:
                    _idle.remove(self)
                except ValueError:  # it was taken at this very moment
                    self._turn.acquire()


def start_daemon(work: Callable[[], None]) -> None:
    """Do `work` in a daemon thread: one that is idle, else a new one. It never waits for another's work."""
    try:
        worker = _idle.pop()
    except IndexError:
        _Worker(work)
    else:
        worker.give(work)


os.register_at_fork(after_in_child=_idle.clear)  # a child has none of its parent's threads


R = TypeVar("R")


async def in_daemon_thread(function: Callable[[], R], *, grace: float = 0.0) -> R:
    """Call `function` in a daemon thread with this context's variables; returns or raises what it did.

    A thread cannot be stopped. When the wait is cancelled the function may still come to its end within `grace`
    seconds, and that end then counts; after that it is left alone. Threads are used again, but a call never waits for
    one. `asyncio.to_thread` runs in a pool whose threads are joined when the interpreter exits, so that one call that
    hangs would hang the process, and enough of them all calls.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[R | None, BaseException | None]] = loop.create_future()
    context = copy_context()

    def resolve(value: R | None, error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result((value, error))

    def work() -> None:
        value, error = None, None
        try:
            value = context.run(function)
        except BaseException as raised:  # noqa: BLE001 - raised again where the call is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed: no caller waits
            loop.call_soon_threadsafe(resolve, value, error)

    start_daemon(work)
    try:
        value, error = await asyncio.shield(ended)
    except asyncio.CancelledError:
        await asyncio.wait({ended}, timeout=grace)
        if not ended.done():
            raise
        value, error = ended.result()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


class Outcome(asyncio.Future[R]):
    """The outcome of work that cannot be called off: a task that is cancelled while it awaits this is so afterwards.

    So the task always knows what became of the work, and no `asyncio.shield` is needed, which costs 7 µs.
    """

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio's signature
        """Refuse; a task that awaits this then cancels itself when it goes on."""
        return False


Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Cancellation:
    """A one-way switch; the first reason stays."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler may run while this thread is inside `request` or `subscribe`.
        self._lock = threading.RLock()
        self._reason: str | None = None
        self._subscribers: list[Callable[[str], None]] = []

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why: the name of a signal, or words for people."""
        return self._reason

    def request(self, reason: str) -> None:
        """Ask to stop; every subscriber is called once, in this thread."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber(reason)

    def subscribe(self, subscriber: Callable[[str], None]) -> Callable[[], None]:
        """Have `subscriber` called with the reason, now if it is known already; returns what ends this."""
        with self._lock:
            self._subscribers.append(subscriber)
            reason = self._reason
        if reason is not None:
            subscriber(reason)

        def unsubscribe() -> None:
            with self._lock:
                if subscriber in self._subscribers:
                    self._subscribers.remove(subscriber)

        return unsubscribe
