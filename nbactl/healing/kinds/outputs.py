"""Required outputs that are missing, tasks that are green without rows, and tasks that ended at their limit."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import PreconditionError, RunFailedError
from nbactl.frozen import frozen
from nbactl.healing.model import Fault
from nbactl.outputs.model import OutputState
from nbactl.workflows.model import RunRequest, RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.healing.model import Scope
    from nbactl.outputs.model import Grid, Output
    from nbactl.workflows.model import RunReport, TaskRecord
    from nbactl.workflows.reading import Past

_LACKING: Final = (OutputState.MISSING, OutputState.FAILED, OutputState.STALE)
"""Not LATE: something still works on that. Not PARTIAL: a source may never have the rest."""
_THERE: Final = (OutputState.COMPLETE, OutputState.EMPTY_OK, OutputState.PARTIAL, OutputState.STALE)
_SHARE: Final = 0.99
"""From this share of its limit on, a task that says it is done is not believed."""


class DrawsGrids(Protocol):
    """What draws grids of expected outputs."""

    def draw(self, first: GameDate, last: GameDate) -> Grid:
        """Return the grid of the dates from `first` to `last`."""
        ...


class Drawn:
    """Draws a grid once for all who look at the same moment."""

    def __init__(self, grids: DrawsGrids) -> None:
        self._grids = grids
        self._last: tuple[Scope, Grid] | None = None

    def outputs(self, scope: Scope) -> tuple[Output, ...]:
        """Return the required outputs of the dates that are looked at."""
        if not scope.days:
            return ()
        if self._last is None or self._last[0] != scope:
            self._last = scope, self._grids.draw(scope.days[0], scope.days[-1])
        return tuple(one for one in self._last[1].outputs if one.required and one.game_date in scope.days)

    def unknown(self, scope: Scope) -> tuple[GameDate, ...]:
        """Return the dates of which neither the schedule nor any run knows, as far as they were looked at."""
        return self._last[1].unknown if self._last is not None and self._last[0] == scope else ()

    def now(self, day: GameDate, phase: str) -> list[Output]:
        """Return the required outputs of a phase and date as they are now."""
        found = self._grids.draw(day, day).outputs
        return [one for one in found if one.required and one.phase == phase]


@frozen
class OutputMissing:
    """A phase and date with required outputs that are overdue or stale, and that nothing works on."""

    drawn: Drawn
    workflows: WorkflowsFile
    execute: Callable[[RunRequest], RunReport]
    after: float
    name: str = "output_missing"

    def find(self, scope: Scope) -> Iterator[Fault]:
        lacking: dict[tuple[GameDate, str], list[Output]] = {}
        unsure: set[tuple[GameDate, str]] = set()
        for output in self.drawn.outputs(scope):
            key = output.game_date, output.phase
            needs = self.workflows.phases[output.phase].needs
            if is_green(output) or any((output.game_date, need) in unsure for need in needs):
                unsure.add(key)
            if output.state is OutputState.STALE and key in unsure:
                continue  # what it is made of is not there: that is repaired first
            due = output.due_at
            is_old = due is None or due + timedelta(seconds=self.after) <= scope.now
            if output.state in _LACKING and is_old and not is_green(output):
                lacking.setdefault(key, []).append(output)
        for (day, phase), outputs in lacking.items():
            names = [f"{output.name} ({output.state.value.lower()})" for output in outputs]
            before = [need for need in self.workflows.phases[phase].needs if (day, need) in lacking]
            yield Fault(
                self.name,
                f"{phase}/{day}",
                f"lacks {', '.join(names)}",
                f"run {phase}, which runs what is not done",
                f"nbactl run {phase} --date {day}",
                day,
                min((output.due_at for output in outputs if output.due_at), default=None),
                waits_for=f"{before[0]}/{day}" if before else None,
            )

    def repair(self, fault: Fault) -> str:
        phase, day = named(fault)
        return ran(self.execute(RunRequest((phase,), (day,))))

    def verify(self, fault: Fault) -> str | None:
        phase, day = named(fault)
        outputs = self.drawn.now(day, phase)
        if not outputs or any(output.state not in _THERE or output.state in _LACKING for output in outputs):
            return None
        return f"every required output is there ({len(outputs)})"


@frozen
class ZeroRows:
    """A task that is recorded as done, and whose output is not there (incident 7). The object is phase/date/task."""

    drawn: Drawn
    workflows: WorkflowsFile
    execute: Callable[[RunRequest], RunReport]
    after: float
    name: str = "zero_rows"

    def find(self, scope: Scope) -> Iterator[Fault]:
        for output in self.drawn.outputs(scope):
            if not is_green(output) or output.made_at is None:
                continue
            if output.made_at + timedelta(seconds=self.after) > scope.now:
                continue
            day, phase = output.game_date, output.phase
            yield Fault(
                self.name,
                f"{phase}/{day}/{output.name}",
                f"recorded as done by {output.by}: {output.reason or 'no row is there'}",
                f"run {output.name} again",
                f"nbactl run {phase} --date {day} --only {output.name} --force",
                day,
                output.made_at,
            )

    def repair(self, fault: Fault) -> str:
        phase, day, output = task_of(fault)
        return ran(self.execute(again(self.workflows, phase, day, output)))

    def verify(self, fault: Fault) -> str | None:
        phase, day, name = task_of(fault)
        found = [output for output in self.drawn.now(day, phase) if output.name == name]
        if not found or found[0].state not in _THERE:
            return None
        rows = f"{found[0].rows} {found[0].unit or 'rows'}" if found[0].rows else "proven to be empty"
        return f"{name}: {rows}"


class LooksUpRuns(Protocol):
    """What looks up the newest runs."""

    def latest_between(self, names: Iterable[str], first: GameDate, last: GameDate, source: str) -> Past:
        """Return the last started run of each name and date."""
        ...


@frozen
class EndedAtLimit:
    """A task that says it is done after all of its time: it may have left out its last steps. Limits are seconds."""

    runs: LooksUpRuns
    workflows: WorkflowsFile
    source: str
    limits: Mapping[str, float]
    execute: Callable[[RunRequest], RunReport]
    after: float
    name: str = "ended_at_limit"

    def find(self, scope: Scope) -> Iterator[Fault]:
        if not scope.days:
            return
        past = self.runs.latest_between(self.workflows.phases, scope.days[0], scope.days[-1], self.source)
        for run in past.values():
            for task in run.tasks if run.game_date in scope.days else ():
                limit = self._limit_it_met(task)
                ended = task.finished_at
                if limit is None or ended is None or ended + timedelta(seconds=self.after) > scope.now:
                    continue
                yield Fault(
                    self.name,
                    f"{run.name}/{run.game_date}/{task.name}",
                    f"ended as done after {limit:g}s, which is its limit",
                    f"run {task.name} again",
                    f"raise the limit of {task.name} in timeouts.yaml, then: "
                    f"nbactl run {run.name} --date {run.game_date} --only {task.name} --force",
                    run.game_date,
                    ended,
                )

    def repair(self, fault: Fault) -> str:
        phase, day, task = task_of(fault)
        return ran(self.execute(again(self.workflows, phase, day, task)))

    def verify(self, fault: Fault) -> str | None:
        phase, day, name = task_of(fault)
        run = self.runs.latest_between((phase,), day, day, self.source).get((phase, day))
        for task in () if run is None else run.tasks:
            if task.name == name and task.status.done and fault.since is not None:
                newer = task.finished_at is not None and task.finished_at > fault.since
                return f"{name} ended within its limit" if newer and self._limit_it_met(task) is None else None
        return None

    def _limit_it_met(self, task: TaskRecord) -> float | None:
        """Return the limit of a task that ended at it though it says that it is done."""
        if task.status is not TaskStatus.SUCCEEDED or task.started_at is None or task.finished_at is None:
            return None
        declared = self.workflows.tasks.get(task.name)
        limit = None if declared is None else self.limits.get(declared.timeout)
        took = (task.finished_at - task.started_at).total_seconds()
        return limit if limit is not None and took >= _SHARE * limit else None


def is_green(output: Output) -> bool:
    """Say whether an output is recorded as done although it is not there."""
    return output.state is OutputState.MISSING and output.made_at is not None


def again(workflows: WorkflowsFile, phase: str, day: GameDate, task: str) -> RunRequest:
    """Return the request that runs a task once more, or its phase where the name is not that of a task."""
    tasks = {use.task for use in workflows.phases[phase].tasks}
    only = (task,) if task in tasks else ()
    return RunRequest((phase,), (day,), only=only, force=True, upstream="skip")


def ran(report: RunReport) -> str:
    """Return what a repair ran. Raises RunFailedError if it failed, PreconditionError if nothing was run."""
    if not report.runs:
        raise PreconditionError("nothing was run", cause="; ".join(report.uncovered.values()) or None)
    worst = [run for run in report.runs if run.status in (RunStatus.FAILED, RunStatus.CANCELLED)]
    if worst:
        failed = [task.name for task in worst[0].tasks if not task.status.done]
        raise RunFailedError(
            f"{worst[0].run_id} {worst[0].status.value}: {', '.join(failed)}",
            next_step=f"See why: nbactl runs show {worst[0].run_id}",
        )
    return ", ".join(f"{run.name} {run.status.value} ({run.run_id})" for run in report.runs)


def named(fault: Fault) -> tuple[str, GameDate]:
    """Return phase and date of an object."""
    phase, _, day = fault.object.partition("/")
    return phase, GameDate.iso(day)


def task_of(fault: Fault) -> tuple[str, GameDate, str]:
    """Return phase, date and task of an object."""
    phase, day, task = fault.object.split("/", 2)
    return phase, GameDate.iso(day), task
