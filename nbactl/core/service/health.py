"""The health of a service: its checks, run in the background, and the status of the whole that follows from them.

The statuses are those of Irakli Nadareishvili, "Health Check Response Format for HTTP APIs", an Internet draft
(draft-inadarei-api-health-check-06).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.core._support.periodic import PeriodicTask
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock

Status = Literal["pass", "warn", "fail"]

Probe = Callable[[], str | None]
"""Looks at a dependency once: returns None if all is well, a sentence if it has a flaw; raises if it does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency. Without a critical one the service is of no use, and says that it fails.

    `component_type` is a word of the draft: component, datastore or system. `timeout` is in seconds.
    """

    name: str
    probe: Probe
    timeout: float
    critical: bool = True
    component_type: str = "datastore"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found of a dependency. `took` is in milliseconds, None without an answer; `output` is what is amiss."""

    status: Status
    took: float | None
    at: datetime
    output: str | None = None


_LOG = logging.getLogger("nbactl.health")
_MISSED: Final = 3
"""A finding is stale when so many looks in a row did not take place."""


class BackgroundCheck:
    """Runs a check's probe in a thread of its own, so that one that hangs holds up nothing but itself."""

    def __init__(self, check: Check, clock: Clock, every: float) -> None:
        self.check = check
        self._clock = clock
        self._every = every
        self._began = 0.0
        """When the last look began, in seconds of the monotonic clock."""
        self._thread: threading.Thread | None = None
        self._ended: float | None = None
        self._last: CheckResult | None = None
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

    def finding(self) -> CheckResult | None:
        """Return what is known now; None before the first look has ended, for as long as it may take."""
        with self._lock:
            began = self._began if self._is_under_way() else None
            ended, last = self._ended, self._last
        now = self._clock.monotonic()
        if began is not None and now - began > self.check.timeout:
            told = f"no answer for {format_duration(int(now - began))}"
            return CheckResult("fail", None, self._clock.now(), told)
        if last is not None and ended is not None and now - ended > _MISSED * self._every + self.check.timeout:
            told = f"not looked at for {format_duration(int(now - ended))}"
            return CheckResult("warn" if last.status == "pass" else last.status, last.took, last.at, told)
        return last

    def _probe(self) -> None:
        began = self._clock.monotonic()
        try:
            flaw = self.check.probe()
        except NbactlError as error:
            found = CheckResult("fail", None, self._clock.now(), error.message)
        except Exception as error:  # noqa: BLE001 - whatever a probe raises is what was found
            # Its text may hold an address or a password, so it goes to the log alone.
            _LOG.warning("the health check %s failed", self.check.name, exc_info=error)
            found = CheckResult("fail", None, self._clock.now(), type(error).__name__)
        else:
            took = round((self._clock.monotonic() - began) * 1000, 2)
            found = CheckResult("pass" if flaw is None else "warn", took, self._clock.now(), flaw)
        with self._lock:
            self._last, self._ended, self._thread = found, self._clock.monotonic(), None

    def _is_under_way(self) -> bool:
        # A thread does not survive a fork; the child finds it dead.
        return self._thread is not None and self._thread.is_alive()


class Health:
    """Looks at every dependency each `every` seconds in the background; what asks never waits for one."""

    def __init__(self, checks: Iterable[Check], *, clock: Clock, every: float) -> None:
        self._watched = {check.name: BackgroundCheck(check, clock, every) for check in checks}
        self._beat = PeriodicTask("health", self.look, lambda: every, every)

    def start(self) -> None:
        """Look at once, then on the beat."""
        self.look()
        self._beat.start()

    def close(self) -> None:
        """Look no more."""
        self._beat.close()

    def look(self) -> None:
        """Begin a look at each dependency that is not being looked at."""
        for watched in self._watched.values():
            watched.look()

    def findings(self) -> Mapping[str, CheckResult | None]:
        """Return what is known of each dependency; None where nothing is yet."""
        return {name: watched.finding() for name, watched in self._watched.items()}

    def status(self, findings: Mapping[str, CheckResult | None]) -> Status:
        """Return the status of the whole: `fail` if a critical dependency fails, `warn` if anything else is amiss."""
        status: Status = "pass"
        for name, finding in findings.items():
            if finding is not None and finding.status == "fail" and self._watched[name].check.critical:
                return "fail"
            if finding is None or finding.status != "pass":
                status = "warn"
        return status

    def unready(self, findings: Mapping[str, CheckResult | None]) -> list[str]:
        """Return why no work should be sent here: critical dependencies that fail, or that nothing is known of yet."""
        reasons = []
        for name, watched in self._watched.items():
            finding = findings[name]
            if watched.check.critical and (finding is None or finding.status == "fail"):
                reasons.append(f"{name}: {'not looked at yet' if finding is None else finding.output}")
        return reasons

    def component_type(self, name: str) -> str:
        """Return what kind of thing a dependency is."""
        return self._watched[name].check.component_type
