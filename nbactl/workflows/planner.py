"""The planner: from a request, the configuration and the ledger to runs, before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.frozen import frozen
from nbactl.workflows.freshness import Freshness, judge
from nbactl.workflows.model import NO_GAMES, RunPlan, RunStatus
from nbactl.workflows.planning import Planning, read_by
from nbactl.workflows.reading import Past
from nbactl.workflows.units import (
    check_is_latest,
    check_request,
    check_resumable,
    find_unit,
    find_units,
    runs_of_request,
)
from nbactl.workflows.works import place_of, works_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.freshness import CurrentVersions, Judgement
    from nbactl.workflows.model import PlannedTask, RunRecord, RunRequest, StaleOn
    from nbactl.workflows.settling import Settling
    from nbactl.workflows.units import Unit
    from nbactl.workflows.works import Place


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


def _by_nobody(_: str, __: GameDate) -> bool:
    return False


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
    versions: Callable[[], CurrentVersions]
    mode_applies: Callable[[GameDate], bool] = _always
    source_spec: str | None = None
    """The source as `--source` names it."""
    uncovered: Callable[[Sequence[date]], Mapping[date, str]] = _everything
    in_process: bool = False
    """Whether tasks run in process though the target is gcp."""
    done_by_others: Callable[[str, GameDate], bool] = _by_nobody
    """Says whether another program, such as the orchestrator, completed a phase for a date."""

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
        named = {unit.name for unit in units}
        asked = named.union(*(self.needs(name) for name in named))
        planning = Planning(self, request, past, asked, named, read_by(units, request, self.workflows))
        plans = [plan for day in request.dates for plan in planning.runs_of(units, day, idle)]
        if request.resume == "last":
            earlier = runs_of_request(request, past)
            check_resumable({unit.name for unit in units}, plans, request, earlier)
            group = next((run.group for run in reversed(earlier) if run.group), None)
            plans = [replace(plan, group=group) for plan in plans]
        return plans

    def plan_again(self, plan: RunPlan, request: RunRequest) -> RunPlan:
        """Plan one run again from what the ledger holds now, under its lease."""
        (again,) = self.plans_again([plan], request)
        return again

    def plans_again(self, plans: Sequence[RunPlan], request: RunRequest) -> list[RunPlan]:
        """Plan runs of one unit and the same tasks again, under their leases: all dates by one question each."""
        days, unit = [plan.game_date for plan in plans], find_unit(plans[0].name, self.workflows)
        units = find_units(request.names, self.workflows)
        past = self.history.latest_between({unit.name, *self.workflows.phases}, min(days), max(days), self.source)
        named = {unit.name for unit in units}
        chosen = tuple(task.name for task in plans[0].tasks if task.excluded is None)
        planning = Planning(self, request, _as_wanted(past, request, units), (unit.name,), named, chosen)
        return [planning.unit(unit, day) for day in days]

    @property
    def freshness(self) -> Freshness:
        """What judges finished runs."""
        return Freshness(self.workflows, self.target, self.versions, self.settling, self.in_process)

    @property
    def place(self) -> Place:
        """Where tasks run."""
        return place_of(self.target, in_process=self.in_process)

    def judge(self, task: PlannedTask, day: GameDate, stale_on: StaleOn) -> Judgement:
        """Judge a carried task again, when tasks that it needs have run."""
        if task.carried is None:
            raise ValueError(f"{task.name} is not carried")
        now = self.versions().current({task.name: task.work}, [day.day]).get((task.name, day.day))
        return judge(
            task.carried,
            day.day,
            now,
            stale_on,
            settled=self.settling.is_over(day),
            changed=lambda since: self.versions().changed(task.work, day.day, since),
        )

    def changed_in_source(self) -> date | None:
        """Return the first date that a run of a phase collected and of which the source now has something else."""
        uses = [use for name in self.workflows.phases for use in find_unit(name, self.workflows).uses]
        return self.versions().changed_in_source(works_of(uses, self.workflows, self.place).values())

    def needs(self, name: str) -> set[str]:
        """Return the phases that `name` needs, and those that these need."""
        needs: set[str] = set()
        waiting = list(find_unit(name, self.workflows).needs)
        while waiting:
            phase = waiting.pop()
            needs.add(phase)
            waiting += self.workflows.phases[phase].needs
        return needs

    def runs_here(self, unit: Unit) -> bool:
        """Say whether any of its tasks runs on this target."""
        return bool(works_of(unit.uses, self.workflows, self.place))

    def _check_runs_here(self, request: RunRequest, units: Iterable[Unit]) -> None:
        for unit in units:
            if unit.name not in request.names or self.runs_here(unit):
                continue
            if self.in_process:
                raise UsageError(
                    f"{unit.name} cannot be run in process: none of its tasks has a processor, call or command",
                    cause="Its tasks declare a service only in workflows.yaml.",
                    next_step="Leave out --in-process, so that the service does it.",
                )
            raise PreconditionError(
                f"{unit.name} cannot be run: none of its tasks runs on target {self.target}",
                cause="Its tasks declare a service only, or none, in workflows.yaml.",
                next_step="Choose another --target.",
            )

    def is_finished(self, unit: Unit, run: RunRecord | None) -> bool:
        """Say whether every required task that runs on this target is done: membership, not a count (invariant 9).

        A run that did not come to its own end is not finished even then: its optional tasks were not given up.
        """
        if run is None or run.status not in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
            return False
        done = {task.name for task in run.tasks if task.status.done}
        here = works_of(unit.uses, self.workflows, self.place)
        return all(use.task in done for use in unit.uses if use.required and use.task in here)

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
        if self.is_finished(find_unit(run.name, self.workflows), run) and run.status is RunStatus.SUCCEEDED:
            raise NotFoundError(
                f"nothing to resume: {run.run_id} is finished", next_step="Use --force to run it again."
            )
        return replace(request, names=(run.name,), dates=(run.game_date,), resume=run.run_id)


def _as_wanted(past: Past, request: RunRequest, units: Iterable[Unit]) -> Past:
    """Return the past to plan from: a forced run of a unit does not go on from one that cannot be read."""
    return past.started_afresh({unit.name for unit in units}) if request.force else past
