"""Does something again and again in a background thread, in every process that a fork makes of this one."""

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
    """Calls `work` after each `pause()` seconds. A fork waits until the call under way is over, at most `join_timeout`.

    An error of `work` is logged, and it is called again after the next pause. The child of a fork gets a thread of its
    own, as no thread survives a fork.
    """

    def __init__(self, name: str, work: Callable[[], None], pause: Callable[[], float], join_timeout: float) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._patience = join_timeout
        self._running = self._watching = self._held = False
        self._begin()

    def start(self) -> None:
        """Begin. What `work` uses must be there: its own care for forks then comes after this one's."""
        if not self._watching:
            self._watching = True
            _watch(self)
        self._running = True
        self._spawn()

    def close(self) -> None:
        """Stop, and wait for the call under way."""
        self._running = False
        self._ended.set()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join()

    def trigger(self) -> None:
        """Let the next call come now; if one is under way, right after it. From any thread."""
        self._hurry.set()

    def before_fork(self) -> None:
        """Let no call be under way: a store that is in use while its process forks is of no use to the child."""
        self._held = self._at_work.acquire(timeout=self._patience)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._held:
            self._at_work.release()

    def after_fork_in_child(self) -> None:
        """Go on in a thread of this process."""
        self._begin()
        if self._running:
            self._spawn()

    def _begin(self) -> None:
        self._ended = threading.Event()
        self._hurry = threading.Event()
        self._at_work = threading.RLock()  # its own thread may fork
        self._thread: threading.Thread | None = None

    def _spawn(self) -> None:
        self._thread = threading.Thread(
            target=self._repeat, args=(self._ended, self._hurry), name=f"nbactl-{self._name}", daemon=True
        )
        self._thread.start()

    def _repeat(self, ended: threading.Event, hurry: threading.Event) -> None:
        while True:
            hurry.wait(self._pause())
            if ended.is_set():
                return
            hurry.clear()
            with self._at_work:
                try:
                    self._work()
                except Exception:  # noqa: BLE001 - a thread that dies would never be missed
                    _LOG.exception("%s failed in the background; it is tried again", self._name)


def _watch(beat: PeriodicTask) -> None:
    """Tell `beat` of every fork as long as it lives.

    Registered for each one when it starts and not once for all: what is registered last is told of a fork first, and
    this must come before the store closes its connections, or each would wait for the other.
    """
    known = weakref.ref(beat)

    def tell(what: str) -> Callable[[], None]:
        def call() -> None:
            if (living := known()) is not None:
                getattr(living, what)()

        return call

    os.register_at_fork(
        before=tell("before_fork"),
        after_in_parent=tell("after_fork_in_parent"),
        after_in_child=tell("after_fork_in_child"),
    )
