"""The request to stop, made from a signal handler, another thread or the ledger."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Cancellation:
    """A one-way switch; the first reason stays."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler may run while this thread is inside `request` or `subscribe`.
        self._lock = threading.RLock()
        self._reason: str | None = None
        self._subscribers: list[Callable[[str], None]] = []

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
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
