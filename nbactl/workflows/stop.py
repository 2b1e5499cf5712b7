"""The end of a run before its tasks are done: cancelled, out of time, without its lease, or broken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable


_DEADLINE: Final = "the run's deadline of "


@frozen
class Stop:
    """Why a run ends early."""

    kind: Literal["cancelled", "deadline", "lease_lost", "error"]
    reason: str


def deadline_passed(seconds: float) -> Stop:
    """Return the stop of a run whose deadline, `seconds` after its begin, has passed."""
    return Stop("deadline", f"{_DEADLINE}{format_duration(seconds)} passed")


def is_deadline(reason: str | None) -> bool:
    """Say whether the reason that the ledger has for a run's end is its deadline."""
    return reason is not None and reason.startswith(_DEADLINE)


class StopSignal:
    """Tells everything that runs on one event loop to stop; the first reason stays. Make it on that loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._subscribers: dict[int, Callable[[], None]] = {}
        self._next = 0
        self.stop: Stop | None = None

    def request(self, stop: Stop) -> None:
        """Stop; to be called on the loop."""
        if self.stop is not None:
            return
        self.stop = stop
        for subscriber in list(self._subscribers.values()):
            subscriber()

    def request_threadsafe(self, stop: Stop) -> None:
        """Stop, from another thread or a signal handler; does nothing once the loop is closed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.request, stop)

    def subscribe(self, subscriber: Callable[[], None]) -> Callable[[], None]:
        """Have `subscriber` called on the stop, at once if it was requested; returns what ends this."""
        key = self._next
        self._next += 1
        self._subscribers[key] = subscriber
        if self.stop is not None:
            subscriber()
        return lambda: self._subscribers.pop(key, None) and None
