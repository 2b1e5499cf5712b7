"""Declared tasks against what implements them, and what reported in recent runs (invariant 10)."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING, Protocol

from nbactl.config.problems import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nbactl.config.loader import Config
    from nbactl.config.problems import Problem
    from nbactl.core._support.gamedate import GameDate


class ReportedTask(Protocol):
    """A task that reported in a run."""

    @property
    def name(self) -> str:
        """Its name in workflows.yaml at that time."""
        ...


class Reported(Protocol):
    """A recorded run, as far as checks look at it."""

    @property
    def run_id(self) -> str:
        """The id of the run."""
        ...

    @property
    def name(self) -> str:
        """The phase or workflow."""
        ...

    @property
    def game_date(self) -> GameDate:
        """The game date."""
        ...

    @property
    def source(self) -> str:
        """The source of its data."""
        ...

    @property
    def source_spec(self) -> str | None:
        """The source as `--source` names it, if that is recorded."""
        ...

    @property
    def owner(self) -> str:
        """The process that executed it (core/lease/holder.py)."""
        ...

    @property
    def tasks(self) -> Sequence[ReportedTask]:
        """Its tasks."""
        ...


def undone_declarations(config: Config, processors: Collection[str]) -> list[Problem]:
    """Return a problem for every task that names a processor, function or command that is not there."""
    problems: list[Problem] = []
    positions = config.positions["workflows"]
    for name, task in config.workflows.tasks.items():
        path = ("tasks", name)
        if task.processor is not None and task.processor not in processors:
            message = f"task '{name}' names the processor '{task.processor}', which is not registered"
            problems.append(positions.problem((*path, "processor"), message, suggest(task.processor, processors)))
        if task.call is not None and not _importable(task.call):
            message = f"task '{name}' calls '{task.call}', whose module cannot be found"
            problems.append(positions.problem((*path, "call"), message))
        if task.command is not None and shutil.which(task.command[0]) is None:
            message = f"task '{name}' runs '{task.command[0]}', which is not on the PATH"
            problems.append(positions.problem((*path, "command"), message))
    return problems


def drift(config: Config, runs: Iterable[Reported]) -> list[str]:
    """Return a sentence for every phase whose newest run reported other tasks than are declared now."""
    sentences: list[str] = []
    seen: set[str] = set()
    for run in runs:  # newest first
        phase = config.workflows.phases.get(run.name)
        if phase is None or run.name in seen:
            continue
        seen.add(run.name)
        declared = {use.task for use in phase.tasks}
        reported = {task.name for task in run.tasks}
        sentences += [
            f"{run.name}: '{task}' reported in {run.run_id} but is not declared" for task in sorted(reported - declared)
        ]
        sentences += [
            f"{run.name}: '{task}' is declared but did not report in {run.run_id}"
            for task in sorted(declared - reported)
        ]
    return sentences


def _importable(call: str) -> bool:
    module = call.partition(":")[0]
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
