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
"""Checks a dependency once: returns None if it works, a sentence if it has a problem; raises if it does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency. If a critical one fails, the service fails.

    `component_type` is a word of the draft: component, datastore or system. `timeout` is in seconds.
    """

    name: str
    probe: Probe
    timeout: float
    critical: bool = True
    component_type: str = "datastore"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check. `took` is in milliseconds, None without an answer; `output` is the problem."""

    status: Status
    took: float | None
    at: datetime
    output: str | None = None


_LOG = logging.getLogger("nbactl.health")
_MISSED: Final = 3
"""A result is stale when so many runs in a row did not take place."""


class BackgroundCheck:
    """Runs a check's probe in a thread of its own, so that a probe that hangs blocks no other."""

    def __init__(self, check: Check, clock: Clock, every: float) -> None:
        self.check = check
        self._clock = clock
        self._every = every
        self._began = 0.0
        """When the last run began, in seconds of the monotonic clock."""
        self._thread: threading.Thread | None = None
        self._ended: float | None = None
        self._last: CheckResult | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Start the probe, unless it is running."""
        with self._lock:
            if self._is_under_way():
                return
            name = f"nbactl-health-{self.check.name}"
            self._thread = threading.Thread(target=self._probe, name=name, daemon=True)
            self._began = self._clock.monotonic()
            self._thread.start()

    def result(self) -> CheckResult | None:
        """Return the last result; None before the first run has ended."""
        with self._lock:
            began = self._began if self._is_under_way() else None
            ended, last = self._ended, self._last
        now = self._clock.monotonic()
        if began is not None and now - began > self.check.timeout:
            output = f"no answer for {format_duration(int(now - began))}"
            return CheckResult("fail", None, self._clock.now(), output)
        if last is not None and ended is not None and now - ended > _MISSED * self._every + self.check.timeout:
            output = f"not checked for {format_duration(int(now - ended))}"
            return CheckResult("warn" if last.status == "pass" else last.status, last.took, last.at, output)
        return last

    def _probe(self) -> None:
        began = self._clock.monotonic()
        try:
            flaw = self.check.probe()
        except NbactlError as error:
            found = CheckResult("fail", None, self._clock.now(), error.message)
        except Exception as error:  # noqa: BLE001 - whatever a probe raises is the result
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
    """Checks every dependency each `every` seconds in the background; readers never wait for a check."""

    def __init__(self, checks: Iterable[Check], *, clock: Clock, every: float) -> None:
        self._checks = {check.name: BackgroundCheck(check, clock, every) for check in checks}
        self._task = PeriodicTask("health", self.run, lambda: every, every)

    def start(self) -> None:
        """Run all checks now, then in the background."""
        self.run()
        self._task.start()

    def close(self) -> None:
        """Stop checking."""
        self._task.close()

    def run(self) -> None:
        """Start every check that is not running."""
        for check in self._checks.values():
            check.run()

    def results(self) -> Mapping[str, CheckResult | None]:
        """Return the last result of each check; None before its first."""
        return {name: check.result() for name, check in self._checks.items()}

    def status(self, results: Mapping[str, CheckResult | None]) -> Status:
        """Return the status of the whole: `fail` if a critical dependency fails, `warn` for any other problem."""
        status: Status = "pass"
        for name, result in results.items():
            if result is not None and result.status == "fail" and self._checks[name].check.critical:
                return "fail"
            if result is None or result.status != "pass":
                status = "warn"
        return status

    def unready(self, results: Mapping[str, CheckResult | None]) -> list[str]:
        """Return why no work should be sent here: critical dependencies that fail or are not checked yet."""
        reasons = []
        for name, background in self._checks.items():
            result = results[name]
            if background.check.critical and (result is None or result.status == "fail"):
                reasons.append(f"{name}: {'not checked yet' if result is None else result.output}")
        return reasons

    def component_type(self, name: str) -> str:
        """Return what kind of thing a dependency is."""
        return self._checks[name].check.component_type


_NOWHERE: Final = "health/probe"
"""A document that is never written: its absence is an answer."""
_MIB: Final = 1024 * 1024


def documents_check(store: DocumentStore, timeout: float) -> Check:
    """Return the check of a document store: it reads a document that is not there."""

    def probe() -> None:
        store.get(_NOWHERE)

    return Check("documents", probe, timeout)


def breakers_check(in_use: Mapping[str, Breaker], timeout: float) -> Check:
    """Return the check of the breakers in use: an open one is a warning, because other work continues."""

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
        free = shutil.disk_usage(next(parent for parent in (place, *place.parents) if parent.exists())).free
        if free < least:
            raise UnavailableError(f"{free // _MIB} MiB are free, {least // _MIB} are needed")

    return Check("disk", probe, timeout, component_type="system")
