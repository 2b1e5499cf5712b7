"""Repeats work in a background thread, also in the processes that are forked from this one."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_LOG = logging.getLogger(__name__)


class PeriodicTask:
    """Calls `work` after each `pause()` seconds. A fork waits for the call under way, at most `join_timeout` seconds.

    An error of `work` is logged, and it is called again after the next pause. The child of a fork gets a thread of its
    own, because no thread survives a fork.
    """

    def __init__(self, name: str, work: Callable[[], None], pause: Callable[[], float], join_timeout: float) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._patience = join_timeout
        self._running = self._watching = self._held = False
        self._begin()

    def start(self) -> None:
        """Start. Create what `work` uses before: its own fork handlers must be registered before this one's."""
        if not self._watching:
            self._watching = True
            _watch(self)
        self._running = True
        self._spawn()

    def close(self) -> None:
        """Stop, and wait for the call under way."""
        self._running = False
        self._ended.set()
        self._triggered.set()
        if self._thread is not None:
            self._thread.join()

    def trigger(self) -> None:
        """Make the next call now, or right after the one that is under way. Safe from any thread."""
        self._triggered.set()

    def before_fork(self) -> None:
        """Wait for the call under way: a store that is in use during a fork is unusable in the child."""
        self._held = self._at_work.acquire(timeout=self._patience)

    def after_fork_in_parent(self) -> None:
        """Continue."""
        if self._held:
            self._at_work.release()

    def after_fork_in_child(self) -> None:
        """Continue in a thread of this process."""
        self._begin()
        if self._running:
            self._spawn()

    def _begin(self) -> None:
        self._ended = threading.Event()
        self._triggered = threading.Event()
        self._at_work = threading.RLock()  # its own thread may fork
        self._thread: threading.Thread | None = None

    def _spawn(self) -> None:
        self._thread = threading.Thread(
            target=self._repeat, args=(self._ended, self._triggered), name=f"nbactl-{self._name}", daemon=True
        )
        self._thread.start()

    def _repeat(self, ended: threading.Event, triggered: threading.Event) -> None:
        while True:
            triggered.wait(self._pause())
            if ended.is_set():
                return
            triggered.clear()
            with self._at_work:
                try:
                    self._work()
                except Exception:  # noqa: BLE001 - a thread that dies would never be missed
                    _LOG.exception("%s failed in the background; retrying", self._name)


def _watch(task: PeriodicTask) -> None:
    """Call the fork handlers of `task` as long as it exists.

    Registered when the task starts, not at import: before a fork the last registered handler runs first, and this one
    must run before the store closes its connections, or each would wait for the other.
    """
    known = weakref.ref(task)

    def handler(name: str) -> Callable[[], None]:
        def call() -> None:
            if (living := known()) is not None:
                getattr(living, name)()

        return call

    os.register_at_fork(
        before=handler("before_fork"),
        after_in_parent=handler("after_fork_in_parent"),
        after_in_child=handler("after_fork_in_child"),
    )
