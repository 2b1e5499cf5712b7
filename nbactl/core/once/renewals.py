"""Keeps claims alive while their work goes on: one thread for all claims of a process."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

from nbactl.errors import StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.clock import Clock
    from nbactl.core.once.claim import Claim

_LOG = logging.getLogger(__name__)


class Renewals:
    """Calls `renew` for each claim that was not renewed for `every` seconds.

    The thread starts with the first claim and ends when it finds none, so that short work costs no thread of its own.
    """

    def __init__(self, renew: Callable[[Claim], None], clock: Clock, every: float) -> None:
        self._renew = renew
        self._clock = clock
        self._every = every
        self._begin()
        _watch_forks(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._claims: set[Claim] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def after_fork_in_child(self) -> None:
        """Leave the claims to the parent, whose work they are; its locks may have been held."""
        self._begin()

    def watch(self, claim: Claim) -> None:
        """Keep `claim` alive until `forget`."""
        with self._lock:
            self._claims.add(claim)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nbactl-renewals", daemon=True)
                self._thread.start()

    def forget(self, claim: Claim) -> None:
        """Keep it alive no longer."""
        with self._lock:
            self._claims.discard(claim)

    def beat(self) -> None:
        """Renew the claims whose time has come."""
        now = self._clock.monotonic()
        with self._lock:
            due = [claim for claim in self._claims if now - claim.renewed >= self._every]
        for claim in due:
            try:
                self._renew(claim)
            except StaleFenceError:
                claim.lost = True
                self.forget(claim)
            except Exception as error:  # noqa: BLE001 - the others are to be kept alive whatever is wrong with one
                # The next beat tries again; until then the lease lasts.
                _LOG.warning("the claim on %s could not be renewed: %s", claim.key, error, exc_info=error)

    def close(self) -> None:
        """End the thread; claims under way are kept alive no longer."""
        self._closed.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while not self._closed.wait(self._every / 2):
            with self._lock:
                if not self._claims:
                    self._thread = None
                    return
            self.beat()


_watched: weakref.WeakSet[Renewals] = weakref.WeakSet()
_registered: list[bool] = []


def _watch_forks(renewals: Renewals) -> None:
    if not _registered:
        _registered.append(True)
        os.register_at_fork(after_in_child=_begin_anew)
    _watched.add(renewals)


def _begin_anew() -> None:
    for renewals in list(_watched):
        renewals.after_fork_in_child()
