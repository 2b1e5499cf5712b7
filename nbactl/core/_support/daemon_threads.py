"""Daemon threads that are used again: a call that hangs holds up neither the end of the process nor another call."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

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


def start(work: Callable[[], None]) -> None:
    """Do `work` in a daemon thread: one that is idle, else a new one. It never waits for another's work."""
    try:
        worker = _idle.pop()
    except IndexError:
        _Worker(work)
    else:
        worker.give(work)


os.register_at_fork(after_in_child=_idle.clear)  # a child has none of its parent's threads
