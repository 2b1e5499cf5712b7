"""Blocking calls off the event loop, in threads that do not keep the process from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


async def in_daemon_thread(function: Callable[[], R], *, grace: float = 0.0) -> R:
    """Call `function` in a daemon thread of its own with this context's variables; returns or raises what it did.

    A thread cannot be stopped. When the wait is cancelled the function may still come to its end within `grace`
    seconds, and that end then counts; after that it is left to itself. `asyncio.to_thread` runs in a pool whose
    threads are joined when the interpreter exits, so that one call that hangs would hang the process.
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
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(resolve, value, error)

    threading.Thread(target=work, name="nbactl-call", daemon=True).start()
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
