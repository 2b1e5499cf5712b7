"""What a request may not ask for: unknown tasks, and to resume what cannot be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.model import Plan, RunRecord, RunRequest
    from nbactl.workflows.units import Unit

_ENDED_WELL = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)


def check_is_latest(request: RunRequest, past: Mapping[tuple[str, GameDate], RunRecord]) -> None:
    """Refuse to resume a run that a later one went on from. Raises PreconditionError."""
    if request.resume in (None, "last"):
        return
    latest = past[request.names[0], request.dates[0]]
    if latest.run_id != request.resume:
        raise PreconditionError(
            f"{request.resume} was followed by {latest.run_id}", next_step=f"Resume that one: --resume {latest.run_id}"
        )


def check_tasks(request: RunRequest, units: Iterable[Unit]) -> None:
    """Refuse names in `--only` and `--skip` that are no tasks of the request. Raises UsageError."""
    known = list(dict.fromkeys(use.task for unit in units for use in unit.uses))
    for option, names in (("--only", request.only), ("--skip", request.skip)):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{option}: no task of {', '.join(request.names)} is named '{name}'",
                    next_step=did_you_mean(name, known),
                )


def check_resumable(named: Collection[str], plans: Sequence[Plan], request: RunRequest) -> None:
    """Refuse `--resume last` when nothing was begun, or nothing is left. Raises NotFoundError.

    An unfinished phase that is only run because a named one needs it counts as begun: the request stopped there.
    """
    own = [plan for plan in plans if plan.name in named]
    started = any(
        plan.previous is not None and (plan.name in named or plan.previous.status not in _ENDED_WELL) for plan in plans
    )
    if started and any(plan.skip_reason is None for plan in own):
        return
    dates = str(request.dates[0]) if len(request.dates) == 1 else f"{request.dates[0]} to {request.dates[-1]}"
    raise NotFoundError(
        f"there is nothing to resume of {', '.join(request.names)} for {dates}",
        cause="All of it is finished." if started else "None of it has been started.",
        next_step="Give --force to run it again." if started else "Run it without --resume.",
    )
