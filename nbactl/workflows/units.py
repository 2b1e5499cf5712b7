"""What a request names: phases, workflows and single tasks, and the phases that must come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError
from nbactl.workflows.graph import topological_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.config.workflows import TaskUse, WorkflowsFile
    from nbactl.workflows.model import Kind, Mode

DAILY = "daily"
"""The name that stands for all phases in their order."""


@dataclass(frozen=True, slots=True)
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
    """Return what `names` stand for, each once. Raises NotFoundError for a name that is none."""
    units: dict[str, Unit] = {}
    for name in names:
        for each in phase_order(workflows) if name == DAILY else (name,):
            units.setdefault(each, find_unit(each, workflows))
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
                alone = use.model_copy(update={"needs": (), "required": True})
                needs = workflows.phases[home].needs if home in workflows.phases else ()
                return Unit(name, "task", home, "sequential", 1, None, (alone,), needs)
    from nbactl.config.workflows import TaskUse  # noqa: PLC0415 - planning loads pydantic only with a configuration

    return Unit(name, "task", name, "sequential", 1, None, (TaskUse(task=name),))
