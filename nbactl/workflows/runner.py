"""The runner: plans a request and executes its runs, one after the other, each under its lease."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.core.observe.context import bound
from nbactl.core.observe.events import noop_hook
from nbactl.errors import LeaseHeldError, NbactlError, StaleFenceError
from nbactl.frozen import frozen
from nbactl.workflows.engine import Execution, ExecutionContext
from nbactl.workflows.fence import Fences
from nbactl.workflows.freshness import Judgement
from nbactl.workflows.journal import ThreadedJournal
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
from nbactl.workflows.stop import Stop, StopSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

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

R = TypeVar("R")


def run_on_loop(work: Coroutine[Any, Any, R], *, on_interrupt: Callable[[], None]) -> R:
    """Run a coroutine to its end on a loop of its own.

    `asyncio.run` waits at its end for every task that is left, so that one that swallows its cancellation hangs the
    process; here such a task is dropped. An unhandled KeyboardInterrupt calls `on_interrupt`, once, and the work
    comes to its orderly end.
    """
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(work)
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            on_interrupt()
            return loop.run_until_complete(task)
    finally:
        _drop_what_is_left(loop)
        loop.close()


def _drop_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(_turns())
    for task in asyncio.all_tasks(loop):
        # Deaf to its cancellation, and reported as such in the ledger: no warning when it is collected.
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
    loop.run_until_complete(loop.shutdown_asyncgens())


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


_log = logging.getLogger(__name__)
_CANCELLED = "cancelled by `nbactl runs cancel`"


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
        waiting = deque(plan for plan in plans if plan.tasks)
        while waiting and not self._cancellation.requested:
            self._runs.append(self._run_plan(waiting.popleft()))
            self._collect_remarks(self._runs[-1])
        reason = self._cancellation.reason
        interrupted = cast("Literal['SIGINT', 'SIGTERM']", reason) if reason in ("SIGINT", "SIGTERM") else None
        not_started = sum(plan.skip_reason is None for plan in waiting)
        outdated = None
        changed = [*self._changed, *self._changed_in_source()]
        if changed and not self._cancellation.requested:
            done = {(plan.name, plan.game_date) for plan in plans}
            outdated = find_outdated(self._runner.planner, min(changed), done)
        return RunReport(
            tuple(self._runs),
            tuple(self._warnings),
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

    def _collect_remarks(self, run: RunRecord) -> None:
        """Collect the `warnings` and `notes` in the details of the tasks that this run did itself, each once."""
        if run.status is RunStatus.SKIPPED:
            return
        for task in run.tasks:
            if task.carried_from is None:
                self._warnings |= dict.fromkeys(task.detail.get("warnings", ()))
                self._notes |= dict.fromkeys(task.detail.get("notes", ()))

    def _run_plan(self, plan: RunPlan) -> RunRecord:
        if plan.depends_on is not None and self._failed_upstream(plan) is None:
            plan = self._runner.planner.plan_again(plan, self._request)
        if plan.skip_reason is None and (failed := self._failed_upstream(plan)) is not None:
            plan = replace(plan, skip_reason=f"{failed.name} for {plan.game_date} {failed.status.value}")
        if plan.skip_reason is not None:
            return self._skipped(plan)
        run_id = self._runner.ids.new("run")
        lease = self._acquire(plan, run_id)
        try:
            with bound(run_id=run_id, workflow=plan.name, game_date=str(plan.game_date)):
                # Another process may have finished it between planning and the lease.
                plan = self._runner.planner.plan_again(plan, self._request)
                if plan.skip_reason is not None:
                    return self._skipped(plan)
                run = self._run_under(lease, plan, run_id)
                self._note(plan, run)
                return run
        finally:
            reach("runner.before_release")
            self._release(lease)

    def _run_under(self, lease: Lease, plan: RunPlan, run_id: str) -> RunRecord:
        runner = self._runner
        run = self._new_run(plan, run_id)
        reach("runner.before_run_recorded")
        runner.ledger.start(run, supersedes=plan.previous)
        reach("runner.run_recorded")
        limits = runner.timeouts.leases["run"]

        async def work() -> RunRecord:
            stop = StopSignal()
            fences = Fences(lease.token, lease.owner)

            def on_lost(reason: str) -> None:
                fences.revoke_all(reason)
                stop.request_threadsafe(Stop("lease_lost", reason))

            heartbeat = Heartbeat(
                runner.leases,
                lease,
                ttl=limits.ttl,
                renew_every=limits.renew_every,
                poll_every=runner.timeouts["run.cancel_poll"],
                clock=runner.clock,
                cancel_requested=lambda: runner.ledger.cancel_requested(run_id),
                on_cancel=lambda: self._cancellation.request(_CANCELLED),
                on_lost=on_lost,
            )
            unsubscribe = self._cancellation.subscribe(
                lambda reason: stop.request_threadsafe(Stop("cancelled", _cancel_reason(reason)))
            )
            try:
                with runner.journal(runner.ledger.commit) as journal, heartbeat:
                    context = ExecutionContext(journal, fences, self._observer, stop, self._judge_on(plan), lease)
                    done = await Execution(runner.engine, plan, run, context).run()
            except StaleFenceError as error:
                raise _lost(plan, error.message) from error
            finally:
                unsubscribe()
            if stop.stop is not None and stop.stop.kind == "lease_lost":
                raise _lost(plan, stop.stop.reason)
            return done

        ended = run_on_loop(work(), on_interrupt=lambda: self._cancellation.request("SIGINT"))
        if runner.ledger.cancel_requested(run_id):
            # Requested between the last heartbeat and the end of this run: the runs after it are not started.
            self._cancellation.request(_CANCELLED)
        return ended

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

    def _acquire(self, plan: RunPlan, run_id: str) -> Lease:
        reach("runner.before_lease")
        runner = self._runner
        try:
            lease = runner.leases.acquire(plan.lease, runner.owner(run_id), runner.timeouts.leases["run"].ttl)
        except LeaseHeldError as error:
            raise self._held(plan, error) from error
        reach("runner.lease_acquired")
        return lease

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

    def _release(self, lease: Lease) -> None:
        try:
            self._runner.leases.release(lease)
        except NbactlError as error:
            # It was lost, or the store is down. It runs out by itself, and sooner when this process is seen to be dead.
            _log.warning("the lease %s could not be released: %s", lease.name, error.message)

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
            self._warn(f"{plan.name} for {plan.game_date} skipped: {plan.skip_reason}")
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


def _lost(plan: RunPlan, reason: str) -> StaleFenceError:
    return StaleFenceError(
        f"{plan.name} for {plan.game_date} lost its lease: {reason}",
        cause="Another process may be working on it by now; what this one wrote since was refused.",
        next_step=f"See who works on it: nbactl runs list --name {plan.name} --date {plan.game_date}",
    )


def _cancel_reason(reason: str) -> str:
    return {"SIGINT": "interrupted (Ctrl-C)", "SIGTERM": "terminated (SIGTERM)"}.get(reason, reason)
