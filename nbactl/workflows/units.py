"""What a request names: phases, workflows and single tasks, and the phases that must come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.frozen import frozen
from nbactl.workflows.graph import topological_order
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from nbactl.config.workflows import TaskUse, WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.model import Kind, Mode, RunPlan, RunRecord, RunRequest

DAILY = "daily"
"""All phases in their order."""


@frozen
class Unit:
    """Something that can be run: a phase, a workflow, or one task. `lease` is the name it is run under."""

    name: str
    kind: Kind
    lease: str
    mode: Mode
    max_workers: int
    deadline: str | None
    uses: tuple[TaskUse, ...]
    needs: tuple[str, ...] = ()
    """Phases that must have been run for the same date."""


def find_units(names: Iterable[str], workflows: WorkflowsFile) -> list[Unit]:
    """Return what `names` refer to, without duplicates. Raises NotFoundError for an unknown name."""
    units: dict[str, Unit] = {}
    for name in names:
        for unit_name in phase_order(workflows) if name == DAILY else (name,):
            units.setdefault(unit_name, find_unit(unit_name, workflows))
    return list(units.values())


def find_unit(name: str, workflows: WorkflowsFile) -> Unit:
    """Return the phase, workflow or task of that name. Raises NotFoundError."""
    if (phase := workflows.phases.get(name)) is not None:
        mode, workers, deadline = phase.execution_mode, phase.max_workers, phase.deadline
        return Unit(name, "phase", name, mode, workers, deadline, phase.tasks, phase.needs)
    if (workflow := workflows.workflows.get(name)) is not None:
        mode, workers, deadline = workflow.execution_mode, workflow.max_workers, workflow.deadline
        return Unit(name, "workflow", name, mode, workers, deadline, workflow.tasks)
    if name in workflows.tasks:
        return _single_task(name, workflows)
    known = [DAILY, *workflows.phases, *workflows.workflows, *workflows.tasks]
    raise NotFoundError(
        f"there is no phase, workflow or task named '{name}'",
        next_step=did_you_mean(name, known),
    )


def phase_order(workflows: WorkflowsFile) -> list[str]:
    """Return the phases so that each comes after those it needs."""
    return topological_order({name: phase.needs for name, phase in workflows.phases.items()})


def _single_task(name: str, workflows: WorkflowsFile) -> Unit:
    """Return a task as a run of its own, under the lease of the phase (else workflow) that declares it.

    So a task and its phase are never run at the same time.
    """
    homes = [*workflows.phases.items(), *workflows.workflows.items()]
    for home, executable in homes:
        for use in executable.tasks:
            if use.task == name:
                alone = use.replaced(needs=(), required=True)
                needs = workflows.phases[home].needs if home in workflows.phases else ()
                return Unit(name, "task", home, "sequential", 1, None, (alone,), needs)
    from nbactl.config.workflows import TaskUse  # noqa: PLC0415 - only a task that no phase declares needs it

    return Unit(name, "task", name, "sequential", 1, None, (TaskUse(task=name),))


_ENDED_WELL = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)


def check_is_latest(request: RunRequest, past: Mapping[tuple[str, GameDate], RunRecord]) -> None:
    """Refuse to resume a run that a later one followed. Raises PreconditionError."""
    if request.resume in (None, "last"):
        return
    latest = past[request.names[0], request.dates[0]]
    if latest.run_id != request.resume:
        raise PreconditionError(
            f"{request.resume} was followed by {latest.run_id}", next_step=f"Resume that one: --resume {latest.run_id}"
        )


def check_request(request: RunRequest, units: Iterable[Unit]) -> None:
    """Refuse options that contradict each other, and unknown names in `--only` and `--skip`. Raises UsageError."""
    if request.resume and request.force:
        raise UsageError(
            "--resume does not go together with --force",
            cause="--resume continues an earlier run, --force starts over.",
            next_step="Use one of them.",
        )
    if request.mode == "sequential" and (request.max_workers or 1) > 1:
        raise UsageError(
            f"--mode sequential does not go together with --max-workers {request.max_workers}",
            next_step="Leave out --max-workers, or use --mode parallel.",
        )
    if both := sorted(set(request.only) & set(request.skip)):
        raise UsageError(f"{', '.join(both)}: in both --only and --skip", next_step="Use one of them.")
    known = list(dict.fromkeys(use.task for unit in units for use in unit.uses))
    for option, names in (("--only", request.only), ("--skip", request.skip)):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{option}: no task of {', '.join(request.names)} is named '{name}'",
                    next_step=did_you_mean(name, known),
                )


def runs_of_request(request: RunRequest, past: Mapping[tuple[str, GameDate], RunRecord]) -> list[RunRecord]:
    """Return the runs that an earlier request of the same names started for these dates, oldest first."""
    names = set(request.names)
    found = [run for run in past.values() if run.game_date in request.dates and names & set(run.requested)]
    return sorted(found, key=lambda run: run.started_at)


def check_resumable(
    named: Collection[str], plans: Sequence[RunPlan], request: RunRequest, earlier: Sequence[RunRecord]
) -> None:
    """Refuse `--resume last` when nothing was started, or nothing is left. Raises NotFoundError.

    A phase that the named ones need counts as started if it is unfinished, or if it belongs to an `earlier` request
    of the same names: that request may have been killed before the next phase had a run.
    """
    own = [plan for plan in plans if plan.name in named]
    started = bool(earlier) or any(
        plan.previous is not None and (plan.name in named or plan.previous.status not in _ENDED_WELL) for plan in plans
    )
    if started and any(plan.skip_reason is None for plan in own):
        return
    dates = str(request.dates[0]) if len(request.dates) == 1 else f"{request.dates[0]} to {request.dates[-1]}"
    raise NotFoundError(
        f"nothing to resume: {', '.join(request.names)} for {dates}",
        cause="It is finished." if started else "It was never started.",
        next_step="Use --force to run it again." if started else "Run it without --resume.",
    )
