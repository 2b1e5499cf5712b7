"""Does something again and again in a background thread, in every process that a fork makes of this one."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Refresher:
    """Calls `work` after each `pause()` seconds. A fork waits until the call under way is over.

    `work` must handle its own errors. The child of a fork gets a thread of its own, as no thread survives a fork.
    """

    def __init__(self, work: Callable[[], None], pause: Callable[[], float]) -> None:
        self._work = work
        self._pause = pause
        self._running = False
        self._begin()

    def start(self) -> None:
        """Begin. What `work` uses must have been used before: its own care for forks then comes after this one's."""
        _watch(self)
        self._running = True
        self._spawn()

    def close(self) -> None:
        """Stop, and wait for the call under way."""
        self._running = False
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def before_fork(self) -> None:
        """Let no call be under way."""
        self._at_work.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._at_work.release()

    def after_fork_in_child(self) -> None:
        """Go on in a thread of this process."""
        self._begin()
        if self._running:
            self._spawn()

    def _begin(self) -> None:
        self._ended = threading.Event()
        self._at_work = threading.RLock()  # its own thread may fork
        self._thread: threading.Thread | None = None

    def _spawn(self) -> None:
        self._thread = threading.Thread(target=self._repeat, args=(self._ended,), name="nbactl-flags", daemon=True)
        self._thread.start()

    def _repeat(self, ended: threading.Event) -> None:
        while not ended.wait(self._pause()):
            with self._at_work:
                self._work()


_watched: weakref.WeakSet[Refresher] = weakref.WeakSet()
_registered: list[bool] = []


def _watch(refresher: Refresher) -> None:
    if not _registered:
        _registered.append(True)
        os.register_at_fork(
            before=lambda: _all("before_fork"),
            after_in_parent=lambda: _all("after_fork_in_parent"),
            after_in_child=lambda: _all("after_fork_in_child"),
        )
    _watched.add(refresher)


def _all(what: str) -> None:
    for refresher in list(_watched):
        getattr(refresher, what)()
