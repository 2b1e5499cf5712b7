"""The plans of one request: which phases come along, what is kept of earlier runs, and what is decided later."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbactl.core.calls.retry import NO_RETRY
from nbactl.errors import PreconditionError
from nbactl.ports.compute import Work
from nbactl.workflows.freshness import EARLY, Judgement, is_of_one_date, judge, listed
from nbactl.workflows.model import PlannedTask, RunPlan, RunStatus
from nbactl.workflows.units import find_unit
from nbactl.workflows.works import work_of, works_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.config.workflows import TaskUse, WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.compute import Versions
    from nbactl.workflows.model import RunRecord, RunRequest, TaskRecord
    from nbactl.workflows.planner import Planner
    from nbactl.workflows.reading import Past
    from nbactl.workflows.units import Unit

LEFT_OUT: Final = "left out by"
"""How the reason of a task begins that `--only` or `--skip` left out of a run."""
_ANYTHING: Final = ""
"""Stands for the tables of a task that has never said what it writes."""


class Planning:
    """Plans the units of one request, date by date, oldest first."""

    def __init__(  # noqa: PLR0917 - what a plan depends on
        self,
        planner: Planner,
        request: RunRequest,
        past: Past,
        units: Collection[str],
        named: Collection[str],
        upstream: tuple[str, ...],
    ) -> None:
        """`past` has the last run of every unit and phase; the request names the units in `named`.

        The versions of what `units` did on all dates are asked for at once. `upstream` are the tasks of other units
        that are needed; empty for all of them.
        """
        self._planner = planner
        self._workflows = planner.workflows
        self._request = request
        self._past = past
        self._named = named
        self._needed = upstream
        self._forces_upstream = request.force and request.upstream == "run"
        self._versions = self._ask(units)
        self._writers: dict[str, str] = {}
        """The tables that runs of earlier dates write, with the first of these runs."""
        self._units: dict[tuple[str, GameDate], RunPlan] = {}

    def runs_of(self, units: Sequence[Unit], day: GameDate, idle: Mapping[GameDate, str]) -> Iterator[RunPlan]:
        """Yield the runs of a date in their order; `idle` says of dates without games why they have none."""
        planned: set[str] = set()
        writers: dict[str, str] = {}
        for unit in units:
            for next_unit in (*self._upstream(unit, day, planned), unit):
                if next_unit.name in planned:
                    continue
                planned.add(next_unit.name)
                if day in idle and next_unit.kind != "workflow":
                    yield replace(self.empty(next_unit, day), skip_reason=idle[day])
                    continue
                plan = self._after(self.unit(next_unit, day), writers)
                if plan.skip_reason is None:
                    self._note_writes(plan, writers)
                yield plan
        for resource, run in writers.items():
            if not is_of_one_date(resource):
                self._writers.setdefault(resource, run)

    def unit(self, unit: Unit, day: GameDate) -> RunPlan:
        """Return the run of a unit; what is not left to do has a `skip_reason`."""
        if (unit.name, day) not in self._units:
            self._units[unit.name, day] = self._plan_unit(unit, day)
        return self._units[unit.name, day]

    def empty(self, unit: Unit, day: GameDate) -> RunPlan:
        """Return the run of a unit without tasks."""
        mode = unit.mode if self._planner.mode_applies(day) else "sequential"
        lease = f"{unit.lease}/{day}"
        return RunPlan(unit.name, unit.kind, day, self._planner.source, lease, mode, unit.max_workers, tasks=())

    def judge(self, task: TaskRecord, work: Work, day: GameDate) -> Judgement:
        """Judge a task that was done on a date."""
        return judge(
            task,
            day.day,
            self._versions.get((task.name, day.day)),
            self._request.stale_on,
            settled=self._planner.settling.is_over(day),
            changed=lambda since: self._planner.versions().changed(work, day.day, since),
        )

    def _plan_unit(self, unit: Unit, day: GameDate) -> RunPlan:
        request = self._request_of(unit)
        before = self._past.get((unit.name, day))
        tasks = tuple(self._task(use, unit, day) for use in unit.uses)
        chosen = [task for task in tasks if task.excluded is None]
        # A run whose process died before it recorded its end is taken over even if all its tasks are done.
        ended = before is not None and before.status is not RunStatus.RUNNING
        finished = ended and not request.force and all(_done_before(task.name, before) for task in chosen)
        settled = self._planner.settling.is_over(day)
        if request.resume is None if finished else settled:
            tasks = tuple(self._without_early_result(task, day) for task in tasks)
        empty = self.empty(unit, day)
        deadline = self._planner.timeouts.deadlines[unit.deadline].limit if unit.deadline else None
        plan = replace(
            empty,
            mode=request.mode or empty.mode,
            max_workers=request.max_workers or unit.max_workers,
            tasks=_with_rechecks(tasks),
            deadline=request.timeout or deadline,
            wait=request.wait,
            previous=before,
            settled=settled,
        )
        if not self._planner.runs_here(unit):
            return replace(plan, skip_reason=f"none of its tasks runs {self._here}")
        if not chosen:
            return replace(plan, skip_reason="none of its tasks was chosen")
        if before is not None and finished and _all_carried(tasks):
            return replace(plan, skip_reason=f"finished by {before.run_id}")
        resumes = not finished and not request.force
        return replace(plan, resumed_from=before.run_id if before is not None and resumes else None)

    def _request_of(self, unit: Unit) -> RunRequest:
        """Return the request as it holds for a unit, which may only be run because another needs it."""
        if unit.name in self._named:
            return self._request
        return replace(
            self._request,
            mode=None,
            max_workers=None,
            only=self._needed,
            skip=(),
            resume=None,
            force=self._forces_upstream,
        )

    def _upstream(self, unit: Unit, day: GameDate, planned: Collection[str]) -> list[Unit]:
        """Return the phases that `unit` needs and that are not finished for the date, in order.

        Raises PreconditionError if they may not be run along.
        """
        upstream = self._request.upstream
        if upstream == "skip" or not self._planner.runs_here(unit):
            return []
        may_run = upstream == "run" or (upstream == "auto" and self._planner.target == "local")
        reads = read_by((unit,), self._request, self._workflows)
        missing = [phase for phase in self._missing(unit, day, reads, may_run=may_run) if phase.name not in planned]
        if not may_run:
            done = {phase.name for phase in missing if self._planner.done_by_others(phase.name, day)}
            done = done.union(*map(self._planner.needs, done))
            missing = [phase for phase in missing if phase.name not in done]
        if missing and not may_run:
            names = ", ".join(phase.name for phase in missing)
            own = " --in-process" if self._planner.in_process else ""
            raise PreconditionError(
                f"{unit.name} for {day} needs {names}, not finished for that date",
                next_step=f"Run it first: nbactl run {' '.join(phase.name for phase in missing)} --date {day}{own}; "
                "or use --upstream run or --upstream skip.",
                details={"missing": [phase.name for phase in missing]},
            )
        return missing

    def _missing(self, unit: Unit, day: GameDate, reads: Collection[str], *, may_run: bool) -> list[Unit]:
        """Return the phases that `unit` needs and that are left; where `reads` names tasks, only these are needed."""
        missing: dict[str, Unit] = {}
        for name in unit.needs:
            phase = find_unit(name, self._workflows)
            before = self._missing(phase, day, reads, may_run=may_run) if self._planner.runs_here(phase) else []
            missing |= {found.name: found for found in before}
            uses = tuple(use for use in phase.uses if not reads or use.task in reads)
            if uses and (before or self._is_left(replace(phase, uses=uses), day, may_run=may_run)):
                missing[name] = phase
        return list(missing.values())

    def _is_left(self, phase: Unit, day: GameDate, *, may_run: bool) -> bool:
        """Say whether something of a phase is to be done before the next one."""
        run = self._past.get((phase.name, day))
        if self._forces_upstream or not self._planner.is_finished(phase, run):
            return True
        plan = self.unit(find_unit(phase.name, self._workflows), day)
        needed = {use.task for use in phase.uses}
        left = [
            task
            for task in plan.tasks
            if task.name in needed and task.excluded is None and task.carried is None and not _given_up(task, run)
        ]
        if may_run:
            return bool(left) or self._after(plan, {}).depends_on is not None
        return any(task.required and task.state == "stale" and task.reason != EARLY.reason for task in left)

    def _task(self, use: TaskUse, unit: Unit, day: GameDate) -> PlannedTask:
        task = self._workflows.tasks[use.task].used_with(use)
        timeouts = self._planner.timeouts
        work = work_of(task, self._planner.place)
        planned = PlannedTask(
            name=use.task,
            work=work or Work("service", ""),
            timeout=timeouts[task.timeout],
            retry=timeouts.retry_policies[task.retry].policy(task.retry) if task.retry != "none" else NO_RETRY,
            needs=use.needs,
            required=use.required,
            wait=use.wait,
            counts_rows=task.output == "rows",
            no_data_ok=task.no_data == "ok",
            quarantine=task.quarantine,
        )
        request = self._request_of(unit)
        record = _done_before(use.task, self._past.get((unit.name, day)))
        excluded = self._exclusion(use.task, work, request)
        gaps = request.gaps
        if excluded is None and record is None and gaps is not None and (use.task, day) in gaps.others:
            excluded = "it is there already"
        if excluded is not None:
            # A task that a forced run leaves out keeps its earlier result.
            return replace(planned, carried=record, excluded=excluded, state="excluded", reason=excluded)
        if record is None:
            return replace(planned, reason=_why_undone(use.task, self._past.get((unit.name, day))))
        if request.force:
            return replace(planned, state="forced", reason="--force")
        gap = None if gaps is None else gaps.lacking.get((use.task, day))
        if gap is not None and gap.run_id in (None, record.carried_from):
            return replace(planned, reason=gap.reason)
        found = self.judge(record, planned.work, day)
        if found.state == "fresh":
            found = self._incomplete.get((unit.name, day), found)
        carried = record if found.state == "fresh" else None
        return replace(planned, carried=carried, state=found.state, reason=found.reason)

    @cached_property
    def _incomplete(self) -> Mapping[tuple[str, GameDate], Judgement]:
        """What is to be done again of each settled date that lacks something: the phase that saw it, and upstream."""
        found: dict[tuple[str, GameDate], Judgement] = {}
        for (name, day), run in self._past.items():
            lacking = [text for task in run.tasks if task.status.done for text in task.incomplete]
            if lacking and name in self._workflows.phases and self._planner.settling.is_over(day):
                judgement = Judgement("incomplete", "incomplete", listed(list(dict.fromkeys(lacking)), "; "))
                for phase in (name, *self._planner.needs(name)):
                    found.setdefault((phase, day), judgement)
        return found

    def _without_early_result(self, task: PlannedTask, day: GameDate) -> PlannedTask:
        """Return the task without a result from before its date was settled, unless it is left out of this run."""
        if task.excluded is not None or task.carried is None or self._planner.settling.is_final(task.carried, day):
            return task
        return replace(task, carried=None, state=EARLY.state, reason=EARLY.reason)

    @property
    def _here(self) -> str:
        return "in process" if self._planner.in_process else f"on target {self._planner.target}"

    def _exclusion(self, name: str, work: Work | None, request: RunRequest) -> str | None:
        if work is None:
            return f"does not run {self._here}"
        if name in request.skip:
            return f"{LEFT_OUT} --skip"
        if request.only and name not in request.only:
            return f"{LEFT_OUT} --only"
        return None

    def _after(self, plan: RunPlan, writers: Mapping[str, str]) -> RunPlan:
        """Return a finished run as one that is decided at its turn, if what it reads may change before."""
        if plan.skip_reason is None or not _all_carried(plan.tasks):
            return plan
        records = [task.carried for task in plan.tasks if task.carried is not None and task.excluded is None]
        reads = {resource for record in records if record.versions is not None for resource in record.versions.reads}
        for resource in (_ANYTHING, *sorted(reads)) if reads else ():
            if (run := writers.get(resource) or self._writers.get(resource)) is not None:
                return replace(plan, skip_reason=None, depends_on=run)
        return plan

    def _note_writes(self, plan: RunPlan, writers: dict[str, str]) -> None:
        for task in plan.tasks:
            if task.excluded is None and (task.carried is None or task.recheck or plan.depends_on is not None):
                for resource in self._written.get(task.name, (_ANYTHING,)):
                    writers.setdefault(resource, f"{plan.name} {plan.game_date}")

    @cached_property
    def _written(self) -> Mapping[str, Collection[str]]:
        """What the tasks write, as far as their earlier runs say."""
        written: dict[str, set[str]] = {}
        for run in self._past.values():
            for task in run.tasks:
                if task.versions is not None:
                    written.setdefault(task.name, set()).update(task.versions.writes)
        return written

    def _ask(self, units: Collection[str]) -> Mapping[tuple[str, date], Versions]:
        uses = [use for name in units for use in find_unit(name, self._workflows).uses]
        done = {
            day.day
            for (name, day), run in self._past.items()
            if name in units and any(task.status.done for task in run.tasks)
        }
        if not done:
            return {}
        works = works_of(uses, self._workflows, self._planner.place)
        return self._planner.versions().current(works, sorted(done))


def read_by(units: Iterable[Unit], request: RunRequest, workflows: WorkflowsFile) -> tuple[str, ...]:
    """Return the tasks of earlier phases that the chosen tasks read; empty if that is all of them."""
    units = tuple(units)
    if not request.only and any(unit.kind != "task" for unit in units):
        return ()
    chosen = [use.task for unit in units for use in unit.uses if not request.only or use.task in request.only]
    if not all(workflows.tasks[name].reads for name in chosen):
        return ()
    found: dict[str, None] = {}
    while chosen:
        reads = workflows.tasks[chosen.pop()].reads
        chosen += [name for name in reads if name not in found]
        found |= dict.fromkeys(reads)
    return tuple(found)


def _done_before(task: str, run: RunRecord | None) -> TaskRecord | None:
    for record in run.tasks if run is not None else ():
        if record.name == task and record.status.done:
            return replace(record, carried_from=record.carried_from or (run.run_id if run else None))
    return None


def _why_undone(task: str, run: RunRecord | None) -> str | None:
    for record in run.tasks if run is not None else ():
        if record.name == task:
            return f"{record.status.value.replace('_', ' ')} in {run.run_id}" if run else None
    return None


def _given_up(task: PlannedTask, run: RunRecord | None) -> bool:
    """Say whether the run left an optional task out on request."""
    reasons = [record.reason for record in (run.tasks if run is not None else ()) if record.name == task.name]
    return not task.required and any(reason is not None and reason.startswith(LEFT_OUT) for reason in reasons)


def _all_carried(tasks: Iterable[PlannedTask]) -> bool:
    return all(task.carried is not None for task in tasks if task.excluded is None)


def _with_rechecks(tasks: Sequence[PlannedTask]) -> tuple[PlannedTask, ...]:
    """Return the tasks with a mark on what is carried although a task before it runs."""
    runs = {task.name for task in tasks if task.excluded is None and task.carried is None}
    marked = {task.name: task for task in tasks}
    before = -1
    while before != len(runs):
        before = len(runs)
        for task in marked.values():
            if task.name not in runs and task.excluded is None and runs & set(task.needs):
                runs.add(task.name)
                marked[task.name] = replace(task, recheck=True)
    return tuple(marked.values())
