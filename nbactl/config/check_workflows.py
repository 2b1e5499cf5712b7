"""Checks of workflows.yaml: every name refers to something, nothing waits for itself, nothing outlives its deadline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbactl.config.check_expected import check_expected
from nbactl.config.check_schedules import check_schedules
from nbactl.config.check_services import check_call, check_services
from nbactl.config.cycles import find_cycles
from nbactl.config.healing import check_healing
from nbactl.config.jobs import check_jobs
from nbactl.config.season import check_season
from nbactl.core._support.durations import format_duration as shown
from nbactl.core._support.names import closest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import Executable, Task, TaskUse, WorkflowsFile

RESERVED = frozenset({"daily"})
"""Names that `nbactl run` gives a meaning of its own."""

_CALL = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_WAYS = ("processor", "call", "command")


def check_workflows(file: ConfigFile[WorkflowsFile], timeouts: ConfigFile[TimeoutsFile] | None) -> Iterator[Problem]:
    """Yield the problems; references to timeouts.yaml are checked only if that could be read."""
    yield from _names(file)
    yield from check_services(file, timeouts)
    for name, task in file.model.tasks.items():
        yield from _work(file, name, task)
        if timeouts is not None:
            yield from _refers(file, ("tasks", name, "timeout"), task.timeout, timeouts, "timeouts")
            if task.retry != "none":
                yield from _refers(file, ("tasks", name, "retry"), task.retry, timeouts, "retry_policies")
    for section, executables in (("phases", file.model.phases), ("workflows", file.model.workflows)):
        for name, executable in executables.items():
            path = (section, name)
            yield from _tasks(file, path, executable)
            if (
                executable.execution_mode == "sequential"
                and executable.max_workers > 1
                and file.is_right(*path, "max_workers")
            ):
                message = (
                    f"max_workers is {executable.max_workers}, but a sequential {section[:-1]} runs one task at a time"
                )
                yield file.positions.problem((*path, "max_workers"), message)
            if timeouts is not None and executable.deadline is not None:
                yield from _refers(file, (*path, "deadline"), executable.deadline, timeouts, "deadlines")
                yield from _deadline(file, path, executable, timeouts.model)
    yield from _phases(file)
    yield from check_expected(file)
    yield from _reads(file)
    yield from check_season(file)
    yield from check_healing(file)
    yield from check_schedules(file)
    yield from check_jobs(file, timeouts)


def _names(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield the names that `nbactl run NAME` could not tell apart."""
    seen: dict[str, str] = {}
    for section in ("tasks", "phases", "workflows"):
        for name in file.names(section):
            if name in RESERVED:
                yield file.positions.problem(
                    (section, name), f"the name '{name}' is reserved: it means all phases", key=True
                )
            elif name in seen:
                message = f"'{name}' is already the name of a {seen[name][:-1]}; `nbactl run {name}` could mean either"
                yield file.positions.problem((section, name), message, key=True)
            seen.setdefault(name, section)


def _work(file: ConfigFile[WorkflowsFile], name: str, task: Task) -> Iterator[Problem]:
    """Yield what is wrong with how the task says what it does."""
    path, written = ("tasks", name), file.names("tasks", name)
    ways = [way for way in _WAYS if way in written]
    if len(ways) > 1:
        message = f"a task has one of {', '.join(_WAYS)}; '{name}' has {' and '.join(ways)}"
        yield file.positions.problem((*path, ways[1]), message, key=True)
    if not ways and "service" not in written:
        message = f"'{name}' does not say what it does: add one of {', '.join(_WAYS)} or service"
        yield file.positions.problem(path, message, key=True)
    if task.call is not None and not _CALL.fullmatch(task.call):
        yield file.positions.problem((*path, "call"), f"'{task.call}' is not a function: write package.module:function")
    if task.command is not None and (not task.command or not task.command[0].strip()):
        yield file.positions.problem((*path, "command"), "the command is empty: write [program, argument, …]")
    if task.parameters and not ways:
        message = f"nothing takes these parameters: '{name}' runs only as a service"
        yield file.positions.problem((*path, "with"), message, key=True)


def _refers(
    file: ConfigFile[WorkflowsFile], path: tuple[Any, ...], name: str, timeouts: ConfigFile[TimeoutsFile], section: str
) -> Iterator[Problem]:
    declared = timeouts.names(section)
    if name not in declared:
        yield file.unknown(path, name, declared, f"not under {section} in {timeouts.positions.file}")


def _tasks(file: ConfigFile[WorkflowsFile], path: tuple[str, str], executable: Executable) -> Iterator[Problem]:
    """Yield what is wrong with the list of tasks and the needs between them."""
    declared = file.names("tasks")
    uses = {use.task: use for use in executable.tasks}
    seen: set[str] = set()
    for index, use in enumerate(executable.tasks):
        here = (*path, "tasks", index)
        if use.task not in declared:
            yield file.unknown((*here, "task"), use.task, declared, "not under tasks")
        if use.task in seen:
            yield file.positions.problem((*here, "task"), f"'{use.task}' is in the list twice")
        seen.add(use.task)
        yield from _use(file, here, use)
        for place, needed in enumerate(use.needs):
            there = (*here, "needs", place)
            if needed not in uses:
                if closest(needed, [name for name in uses if name not in declared]) is not None:
                    continue  # the list misspells it, which is said already
                yield file.unknown(there, needed, uses, f"not in the tasks of {path[1]}")
            elif needed in use.needs[:place]:
                yield file.positions.problem(there, f"'{needed}' is needed twice")
            elif use.required and not uses[needed].required and uses[needed].wait is None:
                message = f"{use.task} is required but needs {needed}, which is optional; make both or none required, "
                yield file.positions.problem(there, message + f"or let {needed} have a `wait`")
    places = {use.task: index for index, use in enumerate(executable.tasks)}
    for circle in find_cycles({use.task: use.needs for use in executable.tasks}):
        message = f"circular needs between tasks: {' → '.join(circle)}"
        yield file.positions.problem((*path, "tasks", places[circle[0]], "needs"), message)


def _use(file: ConfigFile[WorkflowsFile], path: tuple[Any, ...], use: TaskUse) -> Iterator[Problem]:
    """Yield what is wrong with how a task is used, beyond its name and needs."""
    if use.wait is not None and use.required:
        yield file.positions.problem((*path, "wait"), "only an optional task (`required: false`) has a wait", key=True)
    task = file.model.tasks.get(use.task)
    if task is None or not (use.parameters or use.for_each):
        return
    if task.service is not None:
        yield from check_call(file, path, task.service.used_with(use), own=task.service)
    elif use.for_each is not None:
        message = f"for_each has no meaning: {use.task} has no service"
        yield file.positions.problem((*path, "for_each"), message, key=True)


def _reads(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield tasks that are read and do not exist, and limits of the quarantine that cannot both be reached."""
    declared = file.names("tasks")
    for name, task in file.model.tasks.items():
        for place, read in enumerate(task.reads):
            if read not in declared:
                yield file.unknown(("tasks", name, "reads", place), read, declared, "not under tasks")
        limits = task.quarantine
        if limits is not None and limits.warn_above > limits.fail_above:
            message = f"warn_above is {limits.warn_above:g}, above fail_above, which is {limits.fail_above:g}"
            yield file.positions.problem(("tasks", name, "quarantine", "warn_above"), message)


def _deadline(
    file: ConfigFile[WorkflowsFile], path: tuple[str, str], executable: Executable, timeouts: TimeoutsFile
) -> Iterator[Problem]:
    """Yield the tasks that may take longer than the whole run."""
    deadline = timeouts.deadlines.get(executable.deadline or "")
    for index, use in enumerate(executable.tasks):
        task = file.model.tasks.get(use.task)
        timeout = timeouts.timeouts.get(task.timeout) if task else None
        if task and timeout and deadline and timeout.limit > deadline.limit:
            limits = f"{shown(timeout.limit)} ({task.timeout}), the whole run {shown(deadline.limit)}"
            message = f"{use.task} may take {limits} ({executable.deadline})"
            yield file.positions.problem((*path, "tasks", index, "task"), message)


def _phases(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield needs between phases that lead nowhere or in a circle, and topics that mean two things."""
    phases, declared = file.model.phases, file.names("phases")
    announced = {phase.topic: name for name, phase in phases.items()}
    for name, phase in phases.items():
        if phase.trigger_topic is not None and (other := announced.get(phase.trigger_topic)) is not None:
            topic = phase.trigger_topic
            message = f"'{topic}' announces that a processor of {other} is done, so it cannot start {name}"
            yield file.positions.problem(("phases", name, "trigger_topic"), message)
        for index, needed in enumerate(phase.needs):
            if needed not in declared:
                yield file.unknown(("phases", name, "needs", index), needed, declared, "not a phase")
    for circle in find_cycles({name: phase.needs for name, phase in phases.items()}):
        message = f"circular needs between phases: {' → '.join(circle)}"
        yield file.positions.problem(("phases", circle[0], "needs"), message)
