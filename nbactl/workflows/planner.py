"""The planner: from a request, the configuration and the ledger to runs, before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from nbactl.core.calls.retry import NO_RETRY
from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.frozen import frozen
from nbactl.ports.compute import Work
from nbactl.workflows.model import NO_GAMES, PlannedTask, RunPlan, RunStatus
from nbactl.workflows.reading import Past
from nbactl.workflows.units import (
    check_is_latest,
    check_request,
    check_resumable,
    find_unit,
    find_units,
    runs_of_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import Task, TaskUse, WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.model import RunRecord, RunRequest, TaskRecord
    from nbactl.workflows.settling import Settling
    from nbactl.workflows.units import Unit


class History(Protocol):
    """What the planner asks the ledger."""

    def find(self, run: str) -> RunRecord:
        """Return a run by id."""
        ...

    def latest_between(self, names: Iterable[str], first: GameDate, last: GameDate, source: str) -> Past:
        """Return the last run of each name and date."""
        ...


class NoHistory:
    """The history where nothing has been run."""

    def find(self, run: str) -> RunRecord:
        raise NotFoundError(f"no run '{run}'")

    def latest_between(
        self,
        names: Iterable[str],  # noqa: ARG002
        first: GameDate,  # noqa: ARG002
        last: GameDate,  # noqa: ARG002
        source: str,  # noqa: ARG002
    ) -> Past:
        return Past({})


def _always(_: GameDate) -> bool:
    return True


def _everything(_: Sequence[date]) -> dict[date, str]:
    return {}


@frozen
class Planner:
    """Plans requests. `game_dates` asks the source which dates between two have games.

    `uncovered` asks it of which dates it cannot know games, and why; it raises DataError if those are all.
    Where `mode_applies` says no for a date, its tasks run one after the other whatever execution_mode says.
    """

    workflows: WorkflowsFile
    timeouts: TimeoutsFile
    history: History
    source: str
    target: Literal["local", "gcp"]
    game_dates: Callable[[date, date], Sequence[date]]
    settling: Settling
    mode_applies: Callable[[GameDate], bool] = _always
    source_spec: str | None = None
    """The source as `--source` names it."""
    uncovered: Callable[[Sequence[date]], Mapping[date, str]] = _everything

    def plan(self, request: RunRequest) -> list[RunPlan]:
        """Return the runs of a request in the order of their execution.

        What is finished, has no games or cannot run on this target is planned with a `skip_reason`. Raises UsageError
        for unknown names, NotFoundError if there is nothing to resume, PreconditionError if a phase must be run first
        and may not be run along, DataError for a range of which the source has no date.
        """
        units = find_units(request.names, self.workflows)
        if not units or not request.dates:
            raise UsageError("nothing to run", next_step="Name a phase, workflow or task, and a date.")
        self._check_runs_here(request, units)
        check_request(request, units)
        request = self._on_date_of_named_run(request, units)
        first, last = min(request.dates), max(request.dates)
        past = self.history.latest_between(
            {unit.name for unit in units} | set(self.workflows.phases), first, last, self.source
        )
        past = _as_wanted(past, request, units)
        check_is_latest(request, past)
        idle = self._idle_dates(units, request.dates)
        plans = [plan for day in request.dates for plan in self._plan_date(units, day, request, past, idle)]
        if request.resume == "last":
            earlier = runs_of_request(request, past)
            check_resumable({unit.name for unit in units}, plans, request, earlier)
            group = next((run.group for run in reversed(earlier) if run.group), None)
            plans = [replace(plan, group=group) for plan in plans]
        return plans

    def plan_again(self, plan: RunPlan, request: RunRequest) -> RunPlan:
        """Plan one run again from what the ledger holds now, under its lease."""
        past = self.history.latest_between((plan.name,), plan.game_date, plan.game_date, self.source)
        units = find_units(request.names, self.workflows)
        past = _as_wanted(past, request, units)
        named = {unit.name for unit in units}
        unit = find_unit(plan.name, self.workflows)
        chosen = tuple(task.name for task in plan.tasks if task.excluded is None)
        its_request = request if unit.name in named else _plain(request, chosen)
        return self._plan_unit(unit, plan.game_date, its_request, past)

    def needs(self, name: str) -> set[str]:
        """Return the phases that `name` needs, and those that these need."""
        needs: set[str] = set()
        waiting = list(find_unit(name, self.workflows).needs)
        while waiting:
            phase = waiting.pop()
            needs.add(phase)
            waiting += self.workflows.phases[phase].needs
        return needs

    def _plan_date(
        self, units: Sequence[Unit], day: GameDate, request: RunRequest, past: Past, idle: Mapping[GameDate, str]
    ) -> Iterator[RunPlan]:
        named = {unit.name for unit in units}
        planned: set[str] = set()
        for unit in units:
            reads = self._read_by((unit,), request)
            for next_unit in (*self._upstream(unit, day, request, past, planned, reads), unit):
                if next_unit.name in planned:
                    continue
                planned.add(next_unit.name)
                if day in idle and next_unit.kind != "workflow":
                    yield replace(self._empty(next_unit, day), skip_reason=idle[day])
                else:
                    its_request = request if next_unit.name in named else _plain(request, self._read_by(units, request))
                    yield self._plan_unit(next_unit, day, its_request, past)

    def _upstream(  # noqa: PLR0917 - what a plan depends on
        self,
        unit: Unit,
        day: GameDate,
        request: RunRequest,
        past: Past,
        planned: Collection[str],
        reads: Collection[str],
    ) -> list[Unit]:
        """Return the phases that `unit` needs and that are not finished for the date, in order.

        Where `reads` names tasks, only these of them are needed.
        """
        if request.upstream == "skip" or not self._runs_here(unit):
            return []
        may_run = request.upstream == "run" or (request.upstream == "auto" and self.target == "local")
        missing: list[Unit] = []
        for name in unit.needs:
            phase = find_unit(name, self.workflows)
            run = past.get((name, day))
            if reads:
                phase = replace(phase, uses=tuple(use for use in phase.uses if use.task in reads))
            if name not in planned and not (self._finished(phase, run) and (not may_run or self._final(phase, run))):
                its_request = replace(request, upstream="run")
                missing += [*self._upstream(phase, day, its_request, past, planned, reads), phase]
        if missing and not may_run:
            names = ", ".join(phase.name for phase in missing)
            raise PreconditionError(
                f"{unit.name} for {day} needs {names}, not finished for that date",
                next_step=f"Run it first: nbactl run {' '.join(phase.name for phase in missing)} --date {day}; "
                "or use --upstream run or --upstream skip.",
                details={"missing": [phase.name for phase in missing]},
            )
        return missing

    def _read_by(self, units: Sequence[Unit], request: RunRequest) -> tuple[str, ...]:
        """Return the tasks of earlier phases that the chosen tasks read; empty if that is all of them."""
        if not request.only and any(unit.kind != "task" for unit in units):
            return ()
        chosen = [use.task for unit in units for use in unit.uses if not request.only or use.task in request.only]
        if not all(self.workflows.tasks[name].reads for name in chosen):
            return ()
        found: dict[str, None] = {}
        while chosen:
            reads = self.workflows.tasks[chosen.pop()].reads
            chosen += [name for name in reads if name not in found]
            found |= dict.fromkeys(reads)
        return tuple(found)

    def _plan_unit(self, unit: Unit, day: GameDate, request: RunRequest, past: Past) -> RunPlan:
        before = past.get((unit.name, day))
        tasks = tuple(self._plan_task(use, request, before) for use in unit.uses)
        # A run whose process died before it recorded its end is taken over even if all its tasks are done.
        ended = before is not None and before.status is not RunStatus.RUNNING
        finished = ended and _all_carried(tasks)
        if request.resume is None if finished else self.settling.is_over(day):
            tasks = tuple(self._without_early_result(task, day) for task in tasks)
        chosen = [task for task in tasks if task.excluded is None]
        empty = self._empty(unit, day)
        plan = replace(
            empty,
            mode=request.mode or empty.mode,
            max_workers=request.max_workers or unit.max_workers,
            tasks=tasks,
            deadline=request.timeout or (self.timeouts.deadlines[unit.deadline].limit if unit.deadline else None),
            previous=before,
        )
        if not self._runs_here(unit):
            return replace(plan, skip_reason=f"none of its tasks runs on target {self.target}")
        if not chosen:
            return replace(plan, skip_reason="none of its tasks was chosen")
        if before is not None and finished and _all_carried(tasks):
            return replace(plan, skip_reason=f"finished by {before.run_id}")
        resumes = not finished and not request.force
        return replace(plan, resumed_from=before.run_id if before is not None and resumes else None)

    def _empty(self, unit: Unit, day: GameDate) -> RunPlan:
        lease = f"{unit.lease}/{day}"
        mode = unit.mode if self.mode_applies(day) else "sequential"
        return RunPlan(unit.name, unit.kind, day, self.source, lease, mode, unit.max_workers, tasks=())

    def _plan_task(self, use: TaskUse, request: RunRequest, before: RunRecord | None) -> PlannedTask:
        task = self.workflows.tasks[use.task]
        excluded = self._exclusion(use.task, request)
        # A task that a forced run leaves out keeps its earlier result.
        carried = _done_before(use.task, before) if excluded or not request.force else None
        return PlannedTask(
            name=use.task,
            work=self._work(task) or Work("service", ""),
            timeout=self.timeouts[task.timeout],
            retry=self.timeouts.retry_policies[task.retry].policy(task.retry) if task.retry != "none" else NO_RETRY,
            needs=use.needs,
            required=use.required,
            counts_rows=task.output == "rows",
            no_data_ok=task.no_data == "ok",
            quarantine=task.quarantine,
            carried=carried,
            excluded=excluded,
        )

    def _without_early_result(self, task: PlannedTask, day: GameDate) -> PlannedTask:
        """Return the task without a result from before its date was settled, unless it is left out of this run."""
        if task.excluded is not None or task.carried is None or self.settling.is_final(task.carried, day):
            return task
        return replace(task, carried=None)

    def _exclusion(self, name: str, request: RunRequest) -> str | None:
        if self._work(self.workflows.tasks[name]) is None:
            return f"does not run on target {self.target}"
        if name in request.skip:
            return "left out by --skip"
        if request.only and name not in request.only:
            return "left out by --only"
        return None

    def _work(self, task: Task) -> Work | None:
        """Return what the task does on this target, or None if it does not run there."""
        isolate = task.isolate == "process"
        if self.target == "gcp":
            if task.service is None:
                return None
            return Work("service", task.service.name, {"path": task.service.path, **task.parameters})
        if task.processor is not None:
            return Work("processor", task.processor, task.parameters, isolate)
        if task.call is not None:
            return Work("call", task.call, task.parameters, isolate)
        return Work("command", task.command, task.parameters) if task.command is not None else None

    def _runs_here(self, unit: Unit) -> bool:
        return any(self._work(self.workflows.tasks[use.task]) is not None for use in unit.uses)

    def _check_runs_here(self, request: RunRequest, units: Iterable[Unit]) -> None:
        for unit in units:
            if unit.name in request.names and not self._runs_here(unit):
                raise PreconditionError(
                    f"{unit.name} cannot be run: none of its tasks runs on target {self.target}",
                    cause="Its tasks declare a service only, or none, in workflows.yaml.",
                    next_step="Choose another --target.",
                )

    def _finished(self, unit: Unit, run: RunRecord | None) -> bool:
        """Say whether every required task that runs on this target is done: membership, not a count (invariant 9).

        A run that did not come to its own end is not finished even then: its optional tasks were not given up.
        """
        if run is None or run.status not in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
            return False
        done = {task.name for task in run.tasks if task.status.done}
        return all(
            use.task in done
            for use in unit.uses
            if use.required and self._work(self.workflows.tasks[use.task]) is not None
        )

    def _final(self, unit: Unit, run: RunRecord | None) -> bool:
        """Say whether what was done of a phase was done when its date was settled."""
        here = {use.task for use in unit.uses}
        done = [task for task in run.tasks if task.name in here and task.status.done] if run is not None else []
        return run is not None and all(self.settling.is_final(task, run.game_date) for task in done)

    def _idle_dates(self, units: Sequence[Unit], dates: Sequence[GameDate]) -> dict[GameDate, str]:
        """Return the dates of a range without games, and why; a single date is taken as it is asked for."""
        if len(dates) == 1 or all(unit.kind == "workflow" for unit in units):
            return {}
        played = set(self.game_dates(min(dates).day, max(dates).day))
        uncovered = self.uncovered([date.day for date in dates])
        return {date: uncovered.get(date.day, NO_GAMES) for date in dates if date.day not in played}

    def _on_date_of_named_run(self, request: RunRequest, units: Sequence[Unit]) -> RunRequest:
        """Return the request with the date of the run that `--resume` names, if it names one."""
        if request.resume is None:
            return request
        if request.resume == "last":
            return request
        run = self.history.find(request.resume)
        if run.name not in {unit.name for unit in units}:
            raise UsageError(
                f"{run.run_id} is a run of {run.name}", next_step=f"Run: nbactl run {run.name} --resume {run.run_id}"
            )
        if run.source != self.source:
            raise UsageError(f"{run.run_id} used source {run.source}", next_step=f"Use --source {run.source}.")
        if self._finished(find_unit(run.name, self.workflows), run) and run.status is RunStatus.SUCCEEDED:
            raise NotFoundError(
                f"nothing to resume: {run.run_id} is finished", next_step="Use --force to run it again."
            )
        return replace(request, names=(run.name,), dates=(run.game_date,), resume=run.run_id)


def _as_wanted(past: Past, request: RunRequest, units: Iterable[Unit]) -> Past:
    """Return the past to plan from: a forced run of a unit does not go on from one that cannot be read."""
    return past.started_afresh({unit.name for unit in units}) if request.force else past


def _done_before(task: str, run: RunRecord | None) -> TaskRecord | None:
    for record in run.tasks if run is not None else ():
        if record.name == task and record.status.done:
            return replace(record, carried_from=record.carried_from or (run.run_id if run else None))
    return None


def _all_carried(tasks: Iterable[PlannedTask]) -> bool:
    return all(task.carried is not None for task in tasks if task.excluded is None)


def _plain(request: RunRequest, only: tuple[str, ...]) -> RunRequest:
    """Return the request as it holds for a phase that is only run because another needs `only` these of its tasks."""
    return replace(request, mode=None, max_workers=None, only=only, skip=(), resume=None, force=False)
