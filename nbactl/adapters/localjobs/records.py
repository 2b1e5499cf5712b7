"""Jobs as documents of the embedded store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.core.jobs.stored import spec_from, spec_to
from nbactl.ports.jobs import ScheduledJob

if TYPE_CHECKING:
    from collections.abc import Mapping

JOBS: Final = "scheduled_jobs"


def read_job(data: Mapping[str, Any]) -> ScheduledJob:
    """Return the job of a document."""
    return ScheduledJob(
        spec_from(data["spec"]),
        data["state"],
        last_attempt_at=data.get("last_attempt_at"),
        last_error=data.get("last_error"),
        timed_out=bool(data.get("timed_out")),
        next_run_at=data.get("next_run_at") if data["state"] == "enabled" else None,
        changed_at=data.get("changed_at"),
    )


def spec_fields(job: ScheduledJob) -> dict[str, Any]:
    """Return what of a job its owner sets."""
    return {"spec": spec_to(job.spec), "state": job.state, "changed_at": job.changed_at, "next_run_at": job.next_run_at}
