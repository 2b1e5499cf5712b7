"""What a task does on a target: a processor, a function, a command or a service call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nbactl.ports.compute import Work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.config.workflows import ServiceSpec, Task, TaskUse, WorkflowsFile

Target = Literal["local", "gcp"]
Place = Literal["process", "services"]
"""Where tasks run: in this process and its children, or as calls of deployed services."""


def place_of(target: Target, *, in_process: bool = False) -> Place:
    """Return where the tasks of a target run; on gcp they can be run in process too (`--in-process`)."""
    return "services" if target == "gcp" and not in_process else "process"


def work_of(task: Task, place: Place) -> Work | None:
    """Return what the task does there, or None if it cannot be run there."""
    isolate = task.isolate == "process"
    if place == "services":
        return None if task.service is None else Work("service", task.service.name, _call_of(task.service))
    if task.processor is not None:
        return Work("processor", task.processor, task.parameters, isolate)
    if task.call is not None:
        return Work("call", task.call, task.parameters, isolate)
    return Work("command", task.command, task.parameters) if task.command is not None else None


def works_of(uses: Iterable[TaskUse], workflows: WorkflowsFile, place: Place) -> dict[str, Work]:
    """Return the work of the tasks that run there, by name."""
    works = {use.task: work_of(workflows.tasks[use.task].used_with(use), place) for use in uses}
    return {name: work for name, work in works.items() if work is not None}


def _call_of(service: ServiceSpec) -> dict[str, Any]:
    """Return the parameters of the call of a service: its keys in workflows.yaml that are set, but the name."""
    return {key: value for key, value in service.as_data().items() if key != "name" and value}
