"""One dependency under watch: looked at again and again, never twice at the same time, never waited for."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import format_duration
from nbactl.core.health.model import Finding
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.core.health.model import Check

_LOG = logging.getLogger("nbactl.health")
_MISSED: Final = 3
"""A finding is stale when so many looks in a row did not take place."""


class Watched:
    """Runs a check's probe in a thread of its own, so that one that hangs holds up nothing but itself."""

    def __init__(self, check: Check, clock: Clock, every: float) -> None:
        self.check = check
        self._clock = clock
        self._every = every
        self._began = 0.0
        """When the last look began, in seconds of the monotonic clock."""
        self._thread: threading.Thread | None = None
        self._ended: float | None = None
        self._last: Finding | None = None
        self._lock = threading.Lock()

    def look(self) -> None:
        """Begin a look, unless one is under way."""
        with self._lock:
            if self._is_under_way():
                return
            name = f"nbactl-health-{self.check.name}"
            self._thread = threading.Thread(target=self._probe, name=name, daemon=True)
            self._began = self._clock.monotonic()
            self._thread.start()

    def finding(self) -> Finding | None:
        """Return what is known now; None before the first look has ended, for as long as it may take."""
        with self._lock:
            began = self._began if self._is_under_way() else None
            ended, last = self._ended, self._last
        now = self._clock.monotonic()
        if began is not None and now - began > self.check.timeout:
            told = f"no answer for {format_duration(int(now - began))}"
            return Finding("fail", None, self._clock.now(), told)
        if last is not None and ended is not None and now - ended > _MISSED * self._every + self.check.timeout:
            told = f"not looked at for {format_duration(int(now - ended))}"
            return Finding("warn" if last.status == "pass" else last.status, last.took, last.at, told)
        return last

    def _probe(self) -> None:
        began = self._clock.monotonic()
        try:
            flaw = self.check.probe()
        except NbactlError as error:
            found = Finding("fail", None, self._clock.now(), error.message)
        except Exception as error:  # noqa: BLE001 - whatever a probe raises is what was found
            # Its text may hold an address or a password, so it goes to the log alone.
            _LOG.warning("the health check %s failed", self.check.name, exc_info=error)
            found = Finding("fail", None, self._clock.now(), type(error).__name__)
        else:
            took = round((self._clock.monotonic() - began) * 1000, 2)
            found = Finding("pass" if flaw is None else "warn", took, self._clock.now(), flaw)
        with self._lock:
            self._last, self._ended, self._thread = found, self._clock.monotonic(), None

    def _is_under_way(self) -> bool:
        # A thread does not survive a fork; the child finds it dead.
        return self._thread is not None and self._thread.is_alive()
