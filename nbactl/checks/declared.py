"""Declared tasks against what can really do them, and what really reported (invariant 10)."""

from __future__ import annotations

import importlib.util
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.config.problems import suggest
from nbactl.core.lease.holder import is_dead
from nbactl.pipeline.registry import PROCESSORS
from nbactl.workflows.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbactl.config.loader import Config
    from nbactl.config.problems import Problem
    from nbactl.core._support.clock import Clock
    from nbactl.workflows.model import RunRecord

_LATELY: Final = 200


def undone_declarations(config: Config) -> list[Problem]:
    """Return a problem for every task that names a processor, function or command that is not there."""
    problems: list[Problem] = []
    positions = config.positions["workflows"]
    for name, task in config.workflows.tasks.items():
        path = ("tasks", name)
        if task.processor is not None and task.processor not in PROCESSORS:
            told = f"task '{name}' names the processor '{task.processor}', which is not registered"
            problems.append(positions.problem((*path, "processor"), told, suggest(task.processor, PROCESSORS)))
        if task.call is not None and not _importable(task.call):
            told = f"task '{name}' calls '{task.call}', whose module cannot be found"
            problems.append(positions.problem((*path, "call"), told))
        if task.command is not None and shutil.which(task.command[0]) is None:
            told = f"task '{name}' runs '{task.command[0]}', which is not on the PATH"
            problems.append(positions.problem((*path, "command"), told))
    return problems


def drift(config: Config, runs: Iterable[RunRecord]) -> list[str]:
    """Return a sentence for every phase whose newest run reported other tasks than are declared now."""
    told: list[str] = []
    seen: set[str] = set()
    for run in runs:  # newest first
        phase = config.workflows.phases.get(run.name)
        if phase is None or run.name in seen:
            continue
        seen.add(run.name)
        declared = {use.task for use in phase.tasks}
        reported = {task.name for task in run.tasks}
        told += [
            f"{run.name}: '{task}' reported in {run.run_id} but is not declared" for task in sorted(reported - declared)
        ]
        told += [
            f"{run.name}: '{task}' is declared but did not report in {run.run_id}"
            for task in sorted(declared - reported)
        ]
    return told


def _importable(call: str) -> bool:
    module = call.partition(":")[0]
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def recent_runs(file: Path, clock: Clock, busy_timeout: float, *, status: str | None = None) -> list[RunRecord]:
    """Return the newest runs in the document store `file`, none if there is no store. Raises NbactlError."""
    if not file.exists():
        return []
    with closing(SqliteDocuments(file, clock=clock, busy_timeout=busy_timeout)) as store:
        return Ledger(store, clock, is_dead=is_dead).list(status=status, limit=_LATELY)
