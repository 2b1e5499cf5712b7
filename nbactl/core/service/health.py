"""The health of a service: its checks, run in the background, and the overall status.

The statuses are those of Irakli Nadareishvili, "Health Check Response Format for HTTP APIs", an Internet draft
(draft-inadarei-api-health-check-06).
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.core._support.periodic import PeriodicTask
from nbactl.errors import NbactlError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.breaker import Breaker
    from nbactl.core.flags.client import FlagsHealth
    from nbactl.ports.documents import DocumentStore


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
            told = f"not checked for {format_duration(int(now - ended))}"
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
                reasons.append(f"{name}: {'not checked yet' if finding is None else finding.output}")
        return reasons

    def component_type(self, name: str) -> str:
        """Return what kind of thing a dependency is."""
        return self._watched[name].check.component_type


_NOWHERE: Final = "health/probe"
"""A document that nobody writes: that it is not there is an answer."""
_MIB: Final = 1024 * 1024


def documents_check(store: DocumentStore, timeout: float) -> Check:
    """Return the check of a document store: it reads a document that is not there."""

    def probe() -> None:
        store.get(_NOWHERE)

    return Check("documents", probe, timeout)


def breakers_check(in_use: Mapping[str, Breaker], timeout: float) -> Check:
    """Return the check of the breakers in use: one that is open is a flaw, for the others' work goes on."""

    def probe() -> str | None:
        stopped = sorted(name for name, breaker in dict(in_use).items() if breaker.state != "closed")
        return f"open: {', '.join(stopped)}" if stopped else None

    return Check("breakers", probe, timeout, critical=False, component_type="component")


def flags_check(health: Callable[[], FlagsHealth], timeout: float) -> Check:
    """Return the check of the flags: while the store does not answer, they stay as they were last known."""

    def probe() -> str | None:
        known = health()
        if known.failures:
            return f"not refreshed, {known.failures} times in a row"
        return "; ".join(known.problems) or None

    return Check("flags", probe, timeout, critical=False, component_type="component")


def disk_check(folder: Path, least: int, timeout: float) -> Check:
    """Return the check of the disk under `folder`, made or not, which needs at least `least` bytes free."""

    def probe() -> None:
        place = folder.absolute()
        free = shutil.disk_usage(next(each for each in (place, *place.parents) if each.exists())).free
        if free < least:
            raise UnavailableError(f"{free // _MIB} MiB are free, {least // _MIB} are needed")

    return Check("disk", probe, timeout, component_type="system")
