"""An event loop for one piece of work, which ends with it whatever is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

R = TypeVar("R")


def run_on_loop(work: Coroutine[Any, Any, R], *, on_interrupt: Callable[[], None]) -> R:
    """Run a coroutine to its end on a loop of its own.

    `asyncio.run` waits at its end for every task that is left, so that one that swallows its cancellation hangs the
    process; here such a task is dropped. An unhandled KeyboardInterrupt calls `on_interrupt`, once, and the work
    comes to its orderly end.
    """
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(work)
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            on_interrupt()
            return loop.run_until_complete(task)
    finally:
        _drop_what_is_left(loop)
        loop.close()


def _drop_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(_turns())
    for task in asyncio.all_tasks(loop):
        # Deaf to its cancellation, and reported as such in the ledger: no warning when it is collected.
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
    loop.run_until_complete(loop.shutdown_asyncgens())


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)
