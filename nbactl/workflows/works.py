"""What a task does on a target: a processor, a function, a command or a service call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbactl.ports.compute import Work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.config.workflows import Task, TaskUse, WorkflowsFile

Target = Literal["local", "gcp"]


def work_of(task: Task, target: Target) -> Work | None:
    """Return what the task does on this target, or None if it does not run there."""
    isolate = task.isolate == "process"
    if target == "gcp":
        if task.service is None:
            return None
        return Work("service", task.service.name, {"path": task.service.path, **task.parameters})
    if task.processor is not None:
        return Work("processor", task.processor, task.parameters, isolate)
    if task.call is not None:
        return Work("call", task.call, task.parameters, isolate)
    return Work("command", task.command, task.parameters) if task.command is not None else None


def works_of(uses: Iterable[TaskUse], workflows: WorkflowsFile, target: Target) -> dict[str, Work]:
    """Return the work of the tasks that run on this target, by name."""
    works = {use.task: work_of(workflows.tasks[use.task], target) for use in uses}
    return {name: work for name, work in works.items() if work is not None}
