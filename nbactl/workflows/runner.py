"""The runner: plans a request and executes its runs, one after the other, each under its lease."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, cast

from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.heartbeat import Heartbeats
from nbactl.core.observe.context import bound
from nbactl.core.observe.events import noop_hook
from nbactl.errors import LeaseHeldError, NbactlError
from nbactl.frozen import frozen
from nbactl.workflows.freshness import Judgement
from nbactl.workflows.journal import ThreadedJournal
from nbactl.workflows.loop import run_on_loop
from nbactl.workflows.member import CANCELLED, Member
from nbactl.workflows.model import (
    NO_GAMES,
    RunRecord,
    RunReport,
    RunStatus,
    TaskRecord,
    TaskStatus,
    not_covered,
    uncovered_dates,
)
from nbactl.workflows.observers import combined, emit_events
from nbactl.workflows.outdated import find_outdated, wrote_something_new
from nbactl.workflows.sets import Gathering, sets_of, shape_of
from nbactl.workflows.units import phase_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.aio import Cancellation
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.lease.leases import Lease, Leases
    from nbactl.core.observe.events import Hook
    from nbactl.workflows.engine import Engine
    from nbactl.workflows.journal import Commit, Journal
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.model import Observer, PlannedTask, RunPlan, RunRequest
    from nbactl.workflows.planner import Planner

_log = logging.getLogger(__name__)
_DATE: Final = "{date}"


@frozen
class Runner:
    """Executes requests. `owner` names this process as the holder of a run's lease; `hook` gets every run and task."""

    planner: Planner
    engine: Engine
    ledger: Ledger
    leases: Leases
    timeouts: TimeoutsFile
    clock: Clock
    ids: IdGenerator
    owner: Callable[[str], str]
    journal: Callable[[Commit], Journal] = ThreadedJournal
    hook: Hook = noop_hook

    def plan(self, request: RunRequest) -> list[RunPlan]:
        """Return what `execute` would do now; changes nothing."""
        return self.planner.plan(request)

    def execute(
        self,
        request: RunRequest,
        *,
        observer: Observer,
        cancellation: Cancellation,
        plans: list[RunPlan] | None = None,
    ) -> RunReport:
        """Execute a request. A run that fails does not keep the others from running, except those that need it.

        `plans` is what `plan` returned for it, if the caller has asked. Raises LeaseHeldError if another process runs
        one of them, and any failure of the ledger.
        """
        if plans is None:
            plans = self.plan(request)
        return _Execution(self, request, observer, cancellation, plans).run(plans)


class _Execution:
    """The execution of one request."""

    def __init__(
        self, runner: Runner, request: RunRequest, observer: Observer, cancellation: Cancellation, plans: list[RunPlan]
    ) -> None:
        self._runner = runner
        self._request = request
        self._observer = observer if runner.hook is noop_hook else combined(observer, emit_events(runner.hook))
        self._cancellation = cancellation
        self._correlation_id = runner.ids.new("corr")
        self._group = self._group_of(plans)
        self._runs: list[RunRecord] = []
        self._warnings: dict[str, None] = {}
        self._notes: dict[str, None] = {}
        self._skips: dict[tuple[str, str], list[GameDate]] = {}
        """The dates that a run of this name skipped for this reason, in which `{date}` is the date."""
        self._uncovered = uncovered_dates(plans)
        self._named: set[str] = set()
        """What a date lacks and a warning has named."""
        self._changed: list[GameDate] = []
        """The dates of runs that left something else than the run before them."""

    def run(self, plans: list[RunPlan]) -> RunReport:
        idle = [str(plan.game_date) for plan in plans if plan.skip_reason == NO_GAMES]
        if idle:
            days = list(dict.fromkeys(idle))
            self._warn(f"no games on {len(days)} of the dates: {', '.join(days)}")
        for sentence in not_covered(self._uncovered):
            self._warn(sentence)
        waiting = deque(self._in_order(plans))
        while waiting and not self._cancellation.requested:
            for run in self._run_set(waiting.popleft()):
                self._runs.append(run)
                self._collect_remarks(run)
        reason = self._cancellation.reason
        interrupted = cast("Literal['SIGINT', 'SIGTERM']", reason) if reason in ("SIGINT", "SIGTERM") else None
        not_started = sum(plan.skip_reason is None for together in waiting for plan in together)
        outdated = None
        changed = [*self._changed, *self._changed_in_source()]
        if changed and not self._cancellation.requested:
            done = {(plan.name, plan.game_date) for plan in plans}
            outdated = find_outdated(self._runner.planner, min(changed), done)
        places = {(plan.name, plan.game_date): place for place, plan in enumerate(plans)}
        return RunReport(
            tuple(sorted(self._runs, key=lambda run: places[run.name, run.game_date])),
            (*self._warnings, *self._warnings_of_skips()),
            interrupted,
            not_started,
            self._uncovered,
            tuple(self._notes),
            outdated=outdated,
        )

    def _changed_in_source(self) -> list[GameDate]:
        """Return the first date, of this request or not, that the source has changed since a run collected it."""
        if self._request.stale_on == "code":
            return []
        try:
            day = self._runner.planner.changed_in_source()
        except NbactlError as error:
            # The runs that read the source have said it themselves.
            _log.info("what the source changed cannot be found out: %s", error.message)
            return []
        return [] if day is None else [GameDate(day)]

    def _warn(self, sentence: str) -> None:
        self._warnings.setdefault(sentence)

    def _warnings_of_skips(self) -> Iterator[str]:
        for (name, reason), days in self._skips.items():
            more = f" and {len(days) - 1:,} more dates" if len(days) > 1 else ""
            yield f"{name} for {days[0]}{more} skipped: {reason.replace(_DATE, str(days[0]))}"

    def _collect_remarks(self, run: RunRecord) -> None:
        """Collect the `warnings` and `notes` in the details of the tasks that this run did itself, each once."""
        if run.status is RunStatus.SKIPPED:
            return
        for task in run.tasks:
            if task.carried_from is None:
                self._warnings |= dict.fromkeys(task.detail.get("warnings", ()))
                self._notes |= dict.fromkeys(task.detail.get("notes", ()))

    def _in_order(self, plans: list[RunPlan]) -> list[list[RunPlan]]:
        """Return the runs in the order of their execution, those of a set of dates together."""
        todo, sets = [plan for plan in plans if plan.tasks], self._runner.engine.sets
        if sets is None:
            return [[plan] for plan in todo]
        return list(sets_of(todo, phase_order(self._runner.planner.workflows), sets.takes_sets))

    def _run_set(self, plans: list[RunPlan]) -> list[RunRecord]:
        """Run the plans of a set, or one plan; returns their runs."""
        ended, todo = [], []
        for plan in map(self._at_its_turn, plans):
            if plan.skip_reason is None:
                todo.append(plan)
            else:
                ended.append(self._skipped(plan))
        if not todo:
            return ended
        planned = {self._runner.ids.new("run"): plan for plan in todo}
        try:
            leases = self._acquire(planned)
        except LeaseHeldError:
            if len(todo) == 1:
                raise
            # Those before the one that is held are run, as without a set.
            return ended + [run for plan in todo for run in self._run_set([plan])]
        try:
            with self._bound(planned):
                # Another process may have finished one between planning and the lease.
                again = self._runner.planner.plans_again(todo, self._request)
                for alike in self._still_alike(dict(zip(planned, again, strict=True))):
                    runs = self._run_under(leases, alike)
                    for plan, run in zip(alike.values(), runs, strict=True):
                        self._note(plan, run)
                    ended += runs
                return ended + [self._skipped(plan) for plan in again if plan.skip_reason is not None]
        finally:
            reach("runner.before_release")
            self._release(list(leases.values()))

    def _at_its_turn(self, plan: RunPlan) -> RunPlan:
        """Return the plan as it is now that what came before has run."""
        if plan.depends_on is not None and self._failed_upstream(plan) is None:
            plan = self._runner.planner.plan_again(plan, self._request)
        if plan.skip_reason is None and (failed := self._failed_upstream(plan)) is not None:
            return replace(plan, skip_reason=f"{failed.name} for {plan.game_date} {failed.status.value}")
        return plan

    @staticmethod
    def _still_alike(planned: Mapping[str, RunPlan]) -> list[dict[str, RunPlan]]:
        """Return the runs that are left to do, those of one shape together, by their ids."""
        left = [(run_id, plan) for run_id, plan in planned.items() if plan.skip_reason is None]
        alike: list[dict[str, RunPlan]] = []
        for shape, group in groupby(left, key=lambda one: shape_of(one[1])):
            some = dict(group)
            alike += [{run_id: plan} for run_id, plan in some.items()] if shape is None else [some]
        return alike

    @staticmethod
    def _bound(planned: Mapping[str, RunPlan]) -> AbstractContextManager[object]:
        if len(planned) > 1:
            return nullcontext()
        ((run_id, plan),) = planned.items()
        return bound(run_id=run_id, workflow=plan.name, game_date=str(plan.game_date))

    def _run_under(self, leases: Mapping[str, Lease], planned: Mapping[str, RunPlan]) -> list[RunRecord]:
        """Run these plans at once, each under the lease of its run."""
        runner = self._runner
        runs = [self._new_run(plan, run_id) for run_id, plan in planned.items()]
        reach("runner.before_run_recorded")
        runner.ledger.start_all([(run, planned[run.run_id].previous) for run in runs])
        reach("runner.run_recorded")

        async def work() -> list[RunRecord]:
            engine, observer = runner.engine, self._observer
            gathering = None
            if len(runs) > 1 and engine.sets is not None:
                gathering = Gathering(engine.compute, engine.sets, list(planned), engine.grace)
                engine, observer = replace(engine, compute=gathering), combined(gathering.observe, observer)
            members = [self._member(leases[run.run_id], planned[run.run_id], run) for run in runs]
            beats = Heartbeats(
                [member.heartbeat for member in members],
                min(runner.timeouts["run.cancel_poll"], runner.timeouts.leases["run"].renew_every),
            )
            with runner.journal(runner.ledger.commit) as journal, beats:
                ended = await asyncio.gather(
                    *(member.run(engine, journal, observer, gathering) for member in members), return_exceptions=True
                )
            for outcome in ended:
                if isinstance(outcome, BaseException):
                    raise outcome
            return cast("list[RunRecord]", ended)

        ended = run_on_loop(work(), on_interrupt=lambda: self._cancellation.request("SIGINT"))
        if any(runner.ledger.cancel_requested(run.run_id) for run in runs):
            # Requested between the last heartbeat and the end of this run: the runs after it are not started.
            self._cancellation.request(CANCELLED)
        return ended

    def _member(self, lease: Lease, plan: RunPlan, run: RunRecord) -> Member:
        return Member(self._runner, self._cancellation, self._judge_on(plan), lease, plan, run)

    def _judge_on(self, plan: RunPlan) -> Callable[[PlannedTask], Judgement]:
        def judge_again(task: PlannedTask) -> Judgement:
            try:
                return self._runner.planner.judge(task, plan.game_date, self._request.stale_on)
            except NbactlError as error:
                # The task runs instead, and meets what is wrong itself.
                return Judgement("stale", "input", f"what it reads cannot be checked: {error.message}")

        return judge_again

    def _note(self, plan: RunPlan, run: RunRecord) -> None:
        """Note what a run changed, and warn of what it leaves undone though its phase goes on."""
        if wrote_something_new(run, plan.previous):
            self._changed.append(plan.game_date)
        lacking = [text for task in run.tasks if task.status.done and plan.settled for text in task.incomplete]
        news = [text for text in dict.fromkeys(lacking) if f"{plan.game_date} {text}" not in self._named]
        if news:
            self._named |= {f"{plan.game_date} {text}" for text in news}
            self._warn(f"{run.name} for {plan.game_date} is incomplete: {'; '.join(news)}")
        for task in run.tasks if run.status is RunStatus.PARTIAL else ():
            if not task.status.done and not task.required and task.error is not None:
                message = str(task.error["message"]).partition("\n")[0]
                self._warn(f"{run.name} for {plan.game_date} lacks {task.name}: {message}")

    def _acquire(self, planned: Mapping[str, RunPlan]) -> dict[str, Lease]:
        """Take the lease of each run, or none; returns them by run id."""
        reach("runner.before_lease")
        runner = self._runner
        owners = {plan.lease: runner.owner(run_id) for run_id, plan in planned.items()}
        try:
            leases = runner.leases.acquire_all(owners, runner.timeouts.leases["run"].ttl)
        except LeaseHeldError as error:
            if len(planned) > 1:
                raise
            (plan,) = planned.values()
            raise self._held(plan, error) from error
        reach("runner.lease_acquired")
        return dict(zip(planned, leases, strict=True))

    def _held(self, plan: RunPlan, error: LeaseHeldError) -> LeaseHeldError:
        """Return the error with what the ledger knows about the holder's run."""
        owner = str(error.details.get("holder", ""))
        run_id = owner.rpartition(":")[2]
        try:
            since = f", since {self._runner.ledger.find(run_id).started_at.isoformat(timespec='seconds')}"
        except NbactlError:
            since = ""  # it has not been recorded yet
        return LeaseHeldError(
            f"{plan.name} for {plan.game_date} is already running: {error.message}{since}",
            cause=error.cause,
            next_step=f"Watch it: nbactl runs show {run_id}; or stop it: nbactl runs cancel {run_id}",
            details={**error.details, "run_id": run_id},
        )

    def _release(self, leases: Sequence[Lease]) -> None:
        try:
            self._runner.leases.release_all(leases)
        except NbactlError as error:
            if len(leases) > 1:
                for lease in leases:
                    self._release([lease])
                return
            # It was lost, or the store is down. It runs out by itself, and sooner when this process is seen to be dead.
            _log.warning("the lease %s could not be released: %s", leases[0].name, error.message)

    def _new_run(self, plan: RunPlan, run_id: str) -> RunRecord:
        runner = self._runner
        return RunRecord(
            run_id=run_id,
            name=plan.name,
            kind=plan.kind,
            game_date=plan.game_date,
            source=plan.source,
            target=runner.planner.target,
            status=RunStatus.RUNNING,
            started_at=runner.clock.now(),
            finished_at=None,
            correlation_id=self._correlation_id,
            owner=runner.owner(run_id),
            resumed_from=plan.resumed_from,
            group=self._group,
            tasks=tuple(_first_record(task) for task in plan.tasks),
            mode=plan.mode,
            lease=plan.lease,
            requested=self._request.names,
            source_spec=runner.planner.source_spec,
            decision_id=self._request.decision_id or _decision_of(plan),
        )

    def _skipped(self, plan: RunPlan) -> RunRecord:
        """Return a run that is not needed as it is reported: with the tasks and the id of the run that did the work."""
        now = self._runner.clock.now()
        previous = plan.previous
        skipped = self._new_run(plan, previous.run_id if previous is not None else "")
        tasks = tuple(
            replace(task, status=TaskStatus.SKIPPED, reason=plan.skip_reason)
            if task.status is TaskStatus.PENDING
            else task
            for task in (previous.tasks if previous is not None else skipped.tasks)
        )
        if plan.skip_reason is not None and not plan.skip_reason.startswith("finished"):
            reason = plan.skip_reason.replace(str(plan.game_date), _DATE)
            self._skips.setdefault((plan.name, reason), []).append(plan.game_date)
        return replace(
            skipped, status=RunStatus.SKIPPED, started_at=now, finished_at=now, reason=plan.skip_reason, tasks=tasks
        )

    def _failed_upstream(self, plan: RunPlan) -> RunRecord | None:
        if plan.kind == "workflow" or self._request.upstream == "skip":
            return None
        needs = self._runner.planner.needs(plan.name)
        for run in self._runs:
            bad = run.status in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.DETACHED)
            if run.game_date == plan.game_date and run.name in needs and bad:
                return run
        return None

    def _group_of(self, plans: list[RunPlan]) -> str | None:
        if self._request.resume == "last":
            groups = [plan.previous.group for plan in plans if plan.previous is not None and plan.previous.group]
            if group := groups[-1] if groups else plans[0].group:
                return group
        return self._runner.ids.new("group") if len(plans) > 1 else None


def _decision_of(plan: RunPlan) -> str | None:
    """Return the decision of a tick whose run is resumed."""
    return plan.previous.decision_id if plan.previous is not None and plan.resumed_from else None


def _first_record(task: PlannedTask) -> TaskRecord:
    if task.carried is not None:
        return replace(task.carried, required=task.required)
    if task.excluded is not None:
        return TaskRecord(task.name, task.required, TaskStatus.SKIPPED, reason=task.excluded)
    # Why it runs again. What an earlier run failed with is in that run.
    why = task.reason if task.state in ("stale", "incomplete") else None
    return TaskRecord(task.name, task.required, TaskStatus.PENDING, reason=why)
