"""Checks of the schedules of workflows, and of what workflows wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.config.cycles import find_cycles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.schedules import Schedule
    from nbactl.config.source import ConfigFile
    from nbactl.config.workflows import Workflow, WorkflowsFile

_WAYS: Final = ("at", "once_between", "every")
_TICK: Final = 60
_DAY: Final = 86_400
_ONLY_WITH_EVERY: Final = ("between", "before_first_game", "after_last_game", "max_per_day", "until_found")


def check_schedules(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield the problems."""
    for name, workflow in file.model.workflows.items():
        yield from _workflow(file, ("workflows", name), workflow)
        if workflow.schedule is not None:
            path = ("workflows", name, "schedule")
            yield from _schedule(file, path, workflow.schedule)
            yield from _found(file, path, workflow)
    needs = {name: workflow.needs for name, workflow in file.model.workflows.items()}
    for circle in find_cycles(needs):
        message = f"circular needs between workflows: {' → '.join(circle)}"
        yield file.positions.problem(("workflows", circle[0], "needs"), message)


def _workflow(file: ConfigFile[WorkflowsFile], path: tuple[str, str], workflow: Workflow) -> Iterator[Problem]:
    declared = file.names("workflows")
    for index, needed in enumerate(workflow.needs):
        if needed not in declared:
            yield file.unknown((*path, "needs", index), needed, declared, "not a workflow")
    if not workflow.enabled and workflow.disabled_reason is None:
        yield file.positions.problem((*path, "enabled"), "a workflow that is not enabled needs a disabled_reason")
    if workflow.enabled and workflow.disabled_reason is not None:
        message = "disabled_reason has a meaning only with `enabled: false`"
        yield file.positions.problem((*path, "disabled_reason"), message, key=True)


def _schedule(file: ConfigFile[WorkflowsFile], path: tuple[str, ...], schedule: Schedule) -> Iterator[Problem]:
    positions, written = file.positions, file.names(*path)
    ways = [way for way in _WAYS if way in written]
    if not ways:
        yield positions.problem(path, f"a schedule has one of {', '.join(_WAYS)}", key=True)
    elif len(ways) > 1:
        message = f"a schedule has one of {', '.join(_WAYS)}; this one has {' and '.join(ways)}"
        yield positions.problem((*path, ways[1]), message, key=True)
    if schedule.every is not None and schedule.every < _TICK:
        yield positions.problem((*path, "every"), "schedules are looked at once a minute, every cannot be shorter")
    for key in _ONLY_WITH_EVERY:
        if key in written and "every" not in ways:
            yield positions.problem((*path, key), f"{key} has a meaning only together with every", key=True)
    if "tolerance" in written and "once_between" in ways:
        message = "tolerance has no meaning with once_between: it runs until the window closes"
        yield positions.problem((*path, "tolerance"), message, key=True)
    if schedule.tolerance is not None and schedule.tolerance > _DAY:
        yield positions.problem((*path, "tolerance"), "a workflow that is more than a day late is not caught up")
    for key in ("once_between", "between"):
        window = getattr(schedule, key)
        if window is not None and window.start == window.end:
            yield positions.problem(
                (*path, key), f"the window from {window.start:%H:%M} to {window.end:%H:%M} is empty"
            )


def _found(file: ConfigFile[WorkflowsFile], path: tuple[str, ...], workflow: Workflow) -> Iterator[Problem]:
    task = workflow.schedule.until_found if workflow.schedule is not None else None
    tasks = [use.task for use in workflow.tasks]
    if task is not None and task not in tasks:
        yield file.unknown((*path, "until_found"), task, tasks, f"not in the tasks of {path[1]}")
    elif task is not None and task in file.model.tasks and file.model.tasks[task].output == "none":
        message = f"{task} reports no rows (`output: none`), so it cannot say that it found something"
        yield file.positions.problem((*path, "until_found"), message)
