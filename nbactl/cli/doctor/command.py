"""The checks of this installation and its data."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.checks.doctor.context import Finding

STATUSES: Final = ("ok", "warn", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the checks found, at least one finding for each check."""

    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that need a repair."""
        return tuple(finding for finding in self.findings if finding.status == "failed")

    @property
    def summary(self) -> dict[str, int]:
        """How many findings there are of each status."""
        counts = Counter(finding.status for finding in self.findings)
        return {status: counts[status] for status in STATUSES}


def diagnose(app: Container) -> Diagnosis:
    """Run every check, of the source that the newest run used unless one was chosen. Nothing is changed."""
    from nbactl.bootstrap.doctor import check_context  # noqa: PLC0415
    from nbactl.bootstrap.runs import follow_last_source  # noqa: PLC0415
    from nbactl.checks.doctor import examine  # noqa: PLC0415 - brings every dependency
    from nbactl.errors import NbactlError  # noqa: PLC0415

    if app.settings.target == "local":
        with contextlib.suppress(NbactlError):  # the checks say what is wrong with the store or the configuration
            follow_last_source(app)
    return Diagnosis(tuple(examine(check_context(app))))
