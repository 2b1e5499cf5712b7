"""Cut a coroutine off when its time is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nbactl.core._support.durations import format_duration
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from types import TracebackType

    from nbactl.core.calls.deadline import Deadline


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
        # Our own cancellation is taken back; if somebody else wants the task to end as well, it ends.
        if self._expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimedOutError(
                f"{self._what} was cut off", cause=f"It took longer than {format_duration(self._deadline.seconds)}."
            ) from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
