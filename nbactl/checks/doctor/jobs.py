"""The check of the scheduled jobs: tokens, addresses, pauses, their last attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.doctor.context import Finding
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.doctor.context import CheckContext

_NAME: Final = "jobs"


def running_jobs(context: CheckContext) -> Iterator[Finding]:
    """Do the same with the jobs that `nbactl up` sends on this machine."""
    try:
        yield from examine_jobs(context)
    except NbactlError as error:
        yield Finding(_NAME, "skipped", f"the jobs cannot be read: {error.message}", error.cause, error.next_step)


def examine_jobs(context: CheckContext) -> Iterator[Finding]:
    """Look whether the scheduled jobs are as declared, and run."""
    problems = context.job_problems()
    if problems is None:
        yield Finding(_NAME, "skipped", "none is sent: `nbactl up` does not run")
        return
    for message, fix in problems.found:
        yield Finding(_NAME, "failed", message, fix=fix)
    if not problems.found:
        yield Finding(_NAME, "ok", f"{problems.total} are as declared, and none fails or is paused without a reason")
