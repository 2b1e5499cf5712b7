"""The health of a service: its checks on a beat, and what follows from them as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.periodic import Beat
from nbactl.core.health.watch import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbactl.core._support.clock import Clock
    from nbactl.core.health.model import Check, Finding, Status


class Health:
    """Looks at every dependency each `every` seconds in the background; what asks never waits for one."""

    def __init__(self, checks: Iterable[Check], *, clock: Clock, every: float) -> None:
        self._watched = {check.name: Watched(check, clock, every) for check in checks}
        self._beat = Beat("health", self.look, lambda: every, every)

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

    def findings(self) -> Mapping[str, Finding | None]:
        """Return what is known of each dependency; None where nothing is yet."""
        return {name: watched.finding() for name, watched in self._watched.items()}

    def status(self, findings: Mapping[str, Finding | None]) -> Status:
        """Return the status of the whole: `fail` if a critical dependency fails, `warn` if anything else is amiss."""
        status: Status = "pass"
        for name, finding in findings.items():
            if finding is not None and finding.status == "fail" and self._watched[name].check.critical:
                return "fail"
            if finding is None or finding.status != "pass":
                status = "warn"
        return status

    def unready(self, findings: Mapping[str, Finding | None]) -> list[str]:
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
