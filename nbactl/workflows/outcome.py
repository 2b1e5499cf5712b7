"""What a report of runs amounts to, as one exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from nbactl.workflows.model import RunReport

_SIGNAL_CODES: Final = {"SIGINT": 130, "SIGTERM": 143}
_BY_SEVERITY: Final = (
    (RunStatus.CANCELLED, 130),
    (RunStatus.FAILED, 1),
    (RunStatus.PARTIAL, 3),
)


def exit_code(report: RunReport) -> int:
    """Return the code of the worst run: stopped before failed before partial before done or skipped.

    A signal decides by its own number. A run cancelled from elsewhere counts as interrupted: it can be resumed.
    """
    if report.interrupted_by is not None:
        return _SIGNAL_CODES[report.interrupted_by]
    statuses = {run.status for run in report.runs}
    if report.not_begun:
        statuses.add(RunStatus.CANCELLED)
    return next((code for status, code in _BY_SEVERITY if status in statuses), 0)
