"""The engine: executes one planned run, task by task, and records every change before the next step."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.core._support.aio import in_daemon_thread
from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.errors import NbactlError
from nbactl.frozen import frozen
from nbactl.ports.compute import TaskCall
from nbactl.workflows.attempt import Attempts, StoppedError, blocked, describe, ended, judge_run, stopped
from nbactl.workflows.graph import Frontier
from nbactl.workflows.model import RunEvent, RunStatus, TaskRecord, TaskStatus
from nbactl.workflows.stop import Stop, deadline_passed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Lease
    from nbactl.ports.compute import Compute, SetCompute
    from nbactl.workflows.attempt import Ending
    from nbactl.workflows.fence import Fences
    from nbactl.workflows.freshness import Judgement
    from nbactl.workflows.journal import Journal
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.model import EventKind, Observer, PlannedTask, RunPlan, RunRecord
    from nbactl.workflows.stop import StopSignal

_OPEN = (TaskStatus.PENDING, TaskStatus.RUNNING)


@frozen
class Engine:
    """What executions work with. `grace` is how long, in seconds, work may take to stop when asked to.

    `sets` executes a task for many dates at once, None where that cannot be done.
    """

    compute: Compute
    ledger: Ledger
    clock: Clock
    rng: Random
    grace: float
    sets: SetCompute | None = None


@frozen
class ExecutionContext:
    """Of one execution: where its changes go, its right to write, its observer and what may stop it.

    Its end is recorded only while `lease` is held.
    """

    journal: Journal
    fences: Fences
    observe: Observer
    stop: StopSignal
    judge: Callable[[PlannedTask], Judgement]
    """Judges a carried task again when its turn comes."""
    lease: Lease


class Execution:
    """One run that is recorded as started, with every change of its state."""

    def __init__(self, engine: Engine, plan: RunPlan, run: RunRecord, context: ExecutionContext) -> None:
        self._engine = engine
        self._plan = plan
        self._run = run
        self._journal = context.journal
        self._observe = context.observe
        self._stop = context.stop
        self._judge = context.judge
        self._lease = context.lease
        self._attempts = Attempts(engine.compute, context.fences, context.stop, engine.clock, engine.grace)
        self._planned = {task.name: task for task in plan.tasks}
        self._records = {task.name: task for task in run.tasks}
        settled = [
            name
            for name, record in self._records.items()
            if record.status is not TaskStatus.PENDING and not self._planned[name].recheck
        ]
        passable = [task.name for task in plan.tasks if task.wait is not None]
        self._frontier = Frontier({task.name: task.needs for task in plan.tasks}, settled, passable)
        self._workers = 1 if plan.mode == "sequential" else plan.max_workers
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._error: BaseException | None = None

    async def run(self) -> RunRecord:
        """Execute the run; returns it with its end, which is recorded too.

        Raises what broke the ledger or the observer; the tasks are stopped first. Raises StaleFenceError, and records
        no end, if the lease was taken over.
        """
        deadline = self._watch_deadline()
        unsubscribe = self._stop.subscribe(self._wake.set)
        try:
            self._notify("run_started")
            await self._schedule()
        except BaseException as error:  # noqa: BLE001 - raised again when the tasks have stopped
            self._break(error)
            await self._drain()
        finally:
            unsubscribe()
            if deadline is not None:
                deadline.cancel()
        if self._error is None:
            await self._end()
            self._notify("run_finished")
            return self._run
        # If the ledger itself is what failed, the run stays recorded as running; the next run of this name and date
        # takes over from there.
        with contextlib.suppress(NbactlError):
            await self._end()
        raise self._error

    def _watch_deadline(self) -> asyncio.Task[None] | None:
        seconds = self._plan.deadline
        if seconds is None:
            return None

        async def watch() -> None:
            await self._engine.clock.sleep_async(seconds)
            self._stop.request(deadline_passed(seconds))

        return asyncio.get_running_loop().create_task(watch())

    async def _schedule(self) -> None:
        while True:
            while self._stop.stop is None and len(self._running) < self._workers:
                name = self._frontier.pop()
                if name is None:
                    break
                task = asyncio.get_running_loop().create_task(self._work(self._planned[name]))
                self._running.add(task)
                task.add_done_callback(self._finished)
            if not self._running:
                break
            await self._wake.wait()
            self._wake.clear()
        if self._error is not None:
            raise self._error

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._stop.request(Stop("error", f"{type(error).__name__}: {error}"))

    async def _drain(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    async def _work(self, task: PlannedTask) -> None:
        """Run a task to its end, attempt by attempt."""
        record = self._records[task.name]
        if task.recheck:
            found = await in_daemon_thread(lambda: self._judge(task))
            if found.state == "fresh":
                self._frontier.done(task.name)
                return
            record = TaskRecord(task.name, task.required, TaskStatus.PENDING, reason=found.reason)
        reach("engine.before_task_start")
        record = replace(record, status=TaskStatus.RUNNING, attempts=1, started_at=self._engine.clock.now())
        await self._record([record])
        self._notify("task_started", record)
        patience = None if task.wait is None else asyncio.create_task(self._pass_after(task.name, task.wait))
        try:
            record, ending = await self._attempt(task, record)
        finally:
            if patience is not None:
                patience.cancel()
        await self._settle(ended(record, ending, self._engine.clock.now(), self._stop.stop))
        reach("engine.after_task_finish")

    async def _pass_after(self, name: str, seconds: float) -> None:
        """Have what needs an optional task go on without it when it is not done after that time."""
        await self._engine.clock.sleep_async(seconds)
        self._frontier.pass_by(name)
        self._wake.set()

    async def _attempt(self, task: PlannedTask, record: TaskRecord) -> tuple[TaskRecord, Ending]:
        """Make attempts until one counts; returns the record of the last one."""
        while True:
            ending = await self._attempts.make(task, self._call(task, record.attempts))
            reach("engine.after_effect")
            if not self._may_retry(task, record, ending):
                return record, ending
            record, pause = self._next_attempt(task, record, ending)
            await self._record([record])
            message = f"attempt {record.attempts - 1} failed, next in {format_duration(pause)}: {ending.error}"
            self._notify("task_retrying", record, message)
            if not await self._attempts.pause(pause):
                return record, replace(ending, error=StoppedError())

    def _call(self, task: PlannedTask, attempt: int) -> TaskCall:
        run = self._run
        return TaskCall(
            run_id=run.run_id,
            run_name=run.name,
            task=task.name,
            game_date=run.game_date.day,
            attempt=attempt,
            timeout=task.timeout,
            work=task.work,
            correlation_id=run.correlation_id,
            source=run.source,
            wait=self._plan.wait,
            forced=task.state == "forced" and attempt == 1,
        )

    def _may_retry(self, task: PlannedTask, record: TaskRecord, ending: Ending) -> bool:
        return (
            ending.error is not None
            and not isinstance(ending.error, StoppedError)
            and self._stop.stop is None
            and task.retry.allows(record.attempts, ending.error)
        )

    def _next_attempt(self, task: PlannedTask, record: TaskRecord, ending: Ending) -> tuple[TaskRecord, float]:
        error = ending.error
        assert error is not None  # noqa: S101 - only a failed attempt is followed by another
        retry_after = error.details.get("retry_after") if isinstance(error, NbactlError) else None
        pause = task.retry.delay(record.attempts, self._engine.rng, retry_after=retry_after)
        return replace(record, attempts=record.attempts + 1, error=describe(error)), pause

    async def _settle(self, record: TaskRecord) -> None:
        """Record a task's end together with the end of those that can no longer run."""
        changed = {record.name: record}
        if record.status.done:
            self._frontier.done(record.name)
        elif record.status is not TaskStatus.CANCELLED:
            for name, need in self._frontier.block(record.name).items():
                changed[name] = blocked(self._records[name], changed[need])
        await self._record(changed.values())
        for task in changed.values():
            self._notify("task_finished", task)

    async def _end(self) -> None:
        """Record the run's end, and that of every task it keeps from starting."""
        reach("engine.before_run_finish")
        stop = self._stop.stop
        open_tasks = [record for record in self._records.values() if record.status in _OPEN]
        left = [stopped(record, stop) for record in open_tasks] if stop is not None else []
        self._records |= {record.name: record for record in left}
        wanted = [record for record in self._records.values() if self._planned[record.name].excluded is None]
        status = judge_run(wanted, stop, settled=self._plan.settled)
        reason = stop.reason if stop is not None and status is not RunStatus.SUCCEEDED else self._run.reason
        tasks = tuple(self._records.values())
        run = replace(self._run, status=status, reason=reason, finished_at=self._engine.clock.now(), tasks=tasks)
        ledger = self._engine.ledger
        await self._journal.commit([*ledger.task_writes(run.run_id, left), *ledger.end_writes(run)], self._lease)
        self._run = run
        for record in left:
            self._notify("task_finished", record)

    async def _record(self, records: Collection[TaskRecord]) -> None:
        await self._journal.commit(self._engine.ledger.task_writes(self._run.run_id, records))
        self._records |= {record.name: record for record in records}

    def _notify(self, kind: EventKind, task: TaskRecord | None = None, message: str = "") -> None:
        self._run = replace(self._run, tasks=tuple(self._records.values()))
        self._observe(RunEvent(kind, self._run, task, message))
