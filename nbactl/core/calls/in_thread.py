"""Blocking calls in coroutines. Importing this module does not load asyncio: who awaits has loaded it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nbactl.core.calls.deadline import current_deadline

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


async def in_thread(function: Callable[[], R], *, undo: Callable[[R], object] | None = None, bounded: bool = True) -> R:
    """Call a function that blocks, such as one of a document store, in a thread; the event loop keeps running.

    The thread has the context and the deadline in force. When the deadline passes, TimedOutError is raised, unless the
    wait is not `bounded`. Then, and when the wait is cancelled, the function still runs to its own end, and `undo` gets
    what it returned: so nothing that it took is kept for a caller that has gone.
    """
    import asyncio  # noqa: PLC0415

    from nbactl.core._support.aio import CutOff, in_daemon_thread  # noqa: PLC0415

    call = asyncio.ensure_future(in_daemon_thread(function))
    call.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # so that asyncio does not complain
    deadline = current_deadline() if bounded else None
    try:
        if deadline is None:
            return await asyncio.shield(call)
        with CutOff("a call in a thread", deadline, deadline.remaining()):
            return await asyncio.shield(call)
    except BaseException:
        if undo is not None:
            await asyncio.wait({call})
            if not call.cancelled() and call.exception() is None:
                await in_daemon_thread(partial(undo, call.result()))
        raise
