"""What a run is to make so that the grid has no gap."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.errors import UsageError
from nbactl.outputs.model import GAPS, OutputState
from nbactl.workflows.model import Gap, Gaps
from nbactl.workflows.units import find_units

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.outputs.model import Grid, Output
    from nbactl.workflows.model import RunPlan, RunRequest

_THERE: Final = (OutputState.COMPLETE, OutputState.EMPTY_OK)


def check_gaps_request(request: RunRequest, workflows: WorkflowsFile) -> None:
    """Refuse what contradicts `--gaps`, and names of which the grid says nothing. Raises UsageError, NotFoundError."""
    contradicting = {
        "--force": request.force,
        "--resume": request.resume is not None,
        "--only": bool(request.only),
        "--skip": bool(request.skip),
        f"--upstream {request.upstream}": request.upstream in ("skip", "fail"),
        f"--stale-on {request.stale_on}": request.stale_on != "both",
    }
    if given := next((option for option, is_given in contradicting.items() if is_given), None):
        raise UsageError(
            f"--gaps does not go together with {given}",
            cause="With --gaps the grid decides what is run.",
            next_step="Use one of them.",
        )
    tasks = {use.task for phase in workflows.phases.values() for use in phase.tasks}
    for unit in find_units(request.names, workflows):
        if unit.name not in workflows.phases and (unit.kind != "task" or unit.name not in tasks):
            raise UsageError(
                f"--gaps: nothing is expected of {unit.name}",
                cause="Outputs are expected of phases and their tasks, by game date.",
                next_step="Name a phase, one of its tasks, or daily.",
            )


def fill_gaps(request: RunRequest, grid: Grid, workflows: WorkflowsFile) -> RunRequest | None:
    """Return the request for what the grid lacks of what it names; None if nothing lacks.

    Its dates begin with the first that lacks something: what is finished of later ones may be stale by then.
    """
    named = {unit.name for unit in find_units(request.names, workflows)}
    lacking: dict[tuple[str, GameDate], Gap] = {}
    first: GameDate | None = None
    for output in grid.outputs:
        if output.state not in GAPS:
            continue
        tasks = _tasks_of(output, workflows)
        gap = Gap(output.run_id, f"{output.state.value}: {output.reason or 'nothing made it'}")
        lacking |= {(task, output.game_date): gap for task in tasks}
        if first is None and (output.phase in named or named.intersection(tasks)):
            first = output.game_date
    if first is None:
        return None
    others = {
        (output.name, output.game_date) for output in grid.outputs if output.state in _THERE and output.run_id is None
    }
    return replace(
        request,
        dates=tuple(day for day in request.dates if day >= first and day not in grid.idle),
        upstream="run",
        gaps=Gaps(lacking, frozenset(others - lacking.keys())),
    )


def only_gaps(
    plans: Iterable[RunPlan], gaps: Gaps, needs: Callable[[str], Collection[str]]
) -> list[RunPlan]:  # fmt: skip
    """Return the plans that close a gap, those that these need, and those that what they change may make stale."""
    plans = [plan for plan in plans if plan.skip_reason is None]
    closing = {
        (plan.name, plan.game_date)
        for plan in plans
        if any((task.name, plan.game_date) in gaps.lacking for task in plan.tasks if task.excluded is None)
    }
    needed = {(need, day) for name, day in closing for need in needs(name)}
    return [
        plan
        for plan in plans
        if (plan.name, plan.game_date) in closing | needed or plan.depends_on is not None
    ]  # fmt: skip


def _tasks_of(output: Output, workflows: WorkflowsFile) -> Sequence[str]:
    """Return the tasks that make an output: all of the phase for a name of production that is none of its tasks."""
    names = [use.task for use in workflows.phases[output.phase].tasks]
    return [output.name] if output.name in names else names
