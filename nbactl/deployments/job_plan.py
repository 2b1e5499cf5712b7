"""What makes scheduled jobs as they are declared, and what of them is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nbactl.core.jobs.compare import merged
from nbactl.deployments.job_forms import JobForm, form_of, loses_a_secret
from nbactl.frozen import frozen
from nbactl.ports.jobs import UnknownTarget

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from nbactl.core.jobs.model import Difference, JobStatus, PausedJob
    from nbactl.ports.jobs import JobSpec

JobAction = Literal["create", "update", "pause", "resume", "delete", "keep"]


@frozen
class JobStep:
    """A change of one job. `actions` are what is done, in order; empty if it is as wanted.

    `before` is the job as it was when this was planned, `after` as it is to be; None where there is no such job.
    `note` says what is left as it is, and why; with `blocked` it is not as wanted, and cannot be made so.
    """

    name: str
    actions: tuple[JobAction, ...]
    before: JobForm | None
    after: JobForm | None
    differences: tuple[Difference, ...] = ()
    note: str | None = None
    pause: PausedJob | None = None
    """Why the job is paused, kept when the step pauses it."""
    blocked: bool = False
    undoes: str | None = None
    """The change that the step takes back."""


def plan_jobs(
    statuses: Sequence[JobStatus], now: datetime, *, names: Collection[str] = (), prune: bool
) -> list[JobStep]:
    """Return what makes jobs as they are declared, also of those that are so already.

    Only `names`, if there are any. Jobs that are not declared are deleted with `prune`, and else left out.
    """
    from nbactl.core._support.gamedate import GameDate  # noqa: PLC0415 - only a plan asks for the day

    today = GameDate.of(now).day
    steps = []
    for status in statuses:
        if names and status.name not in names:
            continue
        before = form_of(status.job)
        if status.declared is None:
            if prune and before is not None:
                steps.append(_deleted(status.name, before))
        elif status.declared.spec is None:
            steps.append(JobStep(status.name, (), before, before, note=status.declared.problem, blocked=True))
        else:
            steps.append(_wanted(status, before, status.declared.spec, today))
    return steps


def _wanted(status: JobStatus, before: JobForm | None, spec: JobSpec, today: object) -> JobStep:
    declared = status.declared
    pause = None if declared is None else declared.paused
    paused, note = _is_to_pause(status, pause, today)
    if before is None:
        actions: tuple[JobAction, ...] = ("create", "pause") if paused else ("create",)
        return JobStep(status.name, actions, None, JobForm(spec, paused), note=note, pause=pause)
    if isinstance(before.spec.target, UnknownTarget):
        return JobStep(status.name, (), before, before, note=_unknown(before.spec.target), blocked=True)
    update = bool(status.differences) or before.broken
    found: list[JobAction] = ["update"] if update else []
    if paused != before.paused:
        found.append("pause" if paused else "resume")
    after = JobForm(merged(spec, before.spec) if status.differences else before.spec, paused)
    if update and loses_a_secret(before, after):
        note = "it loses a secret, which undo cannot bring back"
    return JobStep(status.name, tuple(found), before, after, status.differences, note, pause if paused else None)


def _deleted(name: str, before: JobForm) -> JobStep:
    """Return the step that deletes a job; one that undo could not bring back is left alone."""
    target = before.spec.target
    if isinstance(target, UnknownTarget):
        return JobStep(name, (), before, before, note=_unknown(target), blocked=True)
    if loses_a_secret(before, None):
        note = "it has a secret, which no change keeps: undo could not bring it back, so delete it by hand"
        return JobStep(name, (), before, before, note=note, blocked=True)
    return JobStep(name, ("delete",), before, None)


def _unknown(target: UnknownTarget) -> str:
    return f"its target is of a kind that nbactl does not know: {target.kind}"


def _is_to_pause(status: JobStatus, declared: PausedJob | None, today: Any) -> tuple[bool, str | None]:  # noqa: ANN401
    """Say whether a job is to be paused: as declared until that is over, and as an operator paused it."""
    if declared is not None and (declared.until is None or declared.until >= today):
        return True, None
    recorded = status.pause if status.job is not None and status.job.state == "paused" else None
    if recorded is not None and recorded.by is not None and (recorded.until is None or recorded.until >= today):
        return True, f"stays paused: {recorded.reason} ({recorded.by})"
    return False, None
