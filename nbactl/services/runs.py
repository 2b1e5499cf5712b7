"""Runs of tasks in a service: one at a time of a phase and date, stopped with their request, and announced.

A task that has ended is announced on the topic of its phase by a message in the outbox. Its key names the run that did
the task. So what the ledger holds and was not announced, because the process was killed between the two, is announced
when the request comes again, and nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from nbactl.core._support.aio import Cancellation, CutOff, in_daemon_thread
from nbactl.core._support.faults import reach
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.context import current
from nbactl.core.phases.messages import Completion, completion_data
from nbactl.errors import (
    AlreadyExistsError,
    InProgressError,
    LeaseHeldError,
    NbactlError,
    TimedOutError,
    UnavailableError,
)
from nbactl.frozen import frozen
from nbactl.services.on_behalf import do_for_run
from nbactl.workflows.model import TaskStatus
from nbactl.workflows.observers import combined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.clock import Clock
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.phases.messages import CompletionStatus
    from nbactl.ports.documents import DocumentStore
    from nbactl.workflows.model import Observer, RunEvent, RunRecord, RunRequest, TaskRecord
    from nbactl.workflows.runner import Runner

T = TypeVar("T")

COLLECTED: Final = "phase_1_scrapers"
"""What production calls phase 1 in messages."""
_STATUS: Final[Mapping[TaskStatus, CompletionStatus]] = {
    TaskStatus.SUCCEEDED: "success",
    TaskStatus.NO_DATA: "no_data",
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMED_OUT: "failed",
    TaskStatus.SKIPPED: "skipped",
}
_OUT_OF_TIME: Final = "the time for the request is over"


@frozen
class RunTools:
    """What runs work with. `observer` gets every change of state.

    A stopped run has `grace` seconds to end; a run that another one needs is waited for `patience` seconds.
    """

    runner: Runner
    outbox: Outbox
    documents: DocumentStore
    workflows: WorkflowsFile
    observer: Observer
    clock: Clock
    grace: float
    patience: float


class ServiceRuns:
    """Executes requests of a service."""

    def __init__(self, tools: RunTools) -> None:
        self._tools = tools
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def execute(
        self, request: RunRequest, *, turn: str, announces: bool = True, since: datetime | None = None
    ) -> list[RunRecord]:
        """Execute a request in a thread and return its runs; those that were finished before are among them.

        Requests with the same `turn` wait for each other. What was done since `since` is not done again: a date that
        is not over has no final results, so that each message of one start would do all of it once more. When this
        coroutine is cancelled, the run stops in an orderly way, so that the same request resumes it. Raises
        InProgressError if another process has the lease, unless that is the run that asks for it.
        """
        lock = self._turns.setdefault(turn, asyncio.Lock())
        async with lock:
            return await _stoppable(
                lambda stop: self._run(request, stop, announces=announces, since=since), self._tools.grace
            )

    async def wait_for(self, turn: str) -> None:
        """Wait for the requests of a turn that are under way in this process, a bounded time."""
        lock, patience = self._turns.get(turn), self._tools.patience
        if lock is None:
            return
        with (
            contextlib.suppress(TimedOutError),
            deadline_scope(patience, self._tools.clock) as limit,
            CutOff(f"waiting for {turn}", limit, patience),
        ):
            async with lock:
                return

    def announce(self, phase: str, completion: Completion, run_id: str) -> None:
        """Announce an end on the topic of `phase`, once for each run."""
        key = f"done/{phase}/{completion.game_date}/{completion.processor}/{run_id}"
        outbox = self._tools.outbox
        topic = self._tools.workflows.phases[phase].topic
        reach("services.announcing")
        with contextlib.suppress(AlreadyExistsError):
            self._tools.documents.commit([outbox.message(key, topic, completion_data(completion))])
        reach("services.announced")
        # It is kept: what cannot be published now is published by the next sweep.
        with contextlib.suppress(NbactlError):
            outbox.drive(key)

    def phase_of(self, task: str) -> str | None:
        """Return the phase that a task belongs to. What only collects belongs to phase 1, other work to none."""
        for name, phase in self._tools.workflows.phases.items():
            if any(use.task == task for use in phase.tasks):
                return name
        service = self._tools.workflows.tasks[task].service
        return "phase1" if service is not None and "scraper" in service.body else None

    def _run(
        self, request: RunRequest, stop: Cancellation, *, announces: bool, since: datetime | None
    ) -> list[RunRecord]:
        wanted = set(request.only) or None
        with ThreadPoolExecutor(1, "nbactl-announce") as announcer:

            def announce_end(event: RunEvent) -> None:
                # Not on the loop of the run, which must not wait for a store.
                if event.kind == "task_finished" and event.task is not None:
                    announcer.submit(copy_context().run, self._announce_task, event.run, event.task)

            observer = combined(self._tools.observer, announce_end) if announces else self._tools.observer
            runs = self._done_since(request, since) or self._execute(request, observer, stop)
        reach("services.ran")
        if announces:
            for run in (run for run in runs if run.run_id):
                for task in run.tasks:
                    if wanted is None or task.name in wanted:
                        self._announce_task(run, task)
        return runs

    def _done_since(self, request: RunRequest, since: datetime | None) -> list[RunRecord]:
        """Return the last run of a phase and date if all that is asked for was done in it since a time."""
        if since is None:
            return []
        runner, (name,), (day,) = self._tools.runner, request.names, request.dates
        run = runner.ledger.latest_between((name,), day, day, runner.planner.source).get((name, day))
        tasks = [task for task in run.tasks if not request.only or task.name in request.only] if run else []
        began = [task for task in tasks if task.started_at is not None and task.started_at >= since]
        done = tasks and len(began) == len(tasks) and not any(map(may_succeed_later, began))
        return [run] if run is not None and run.finished_at is not None and done else []

    def _execute(self, request: RunRequest, observer: Observer, stop: Cancellation) -> list[RunRecord]:
        runner, asking = self._tools.runner, current().run_id
        try:
            return list(runner.execute(request, observer=observer, cancellation=stop).runs)
        except LeaseHeldError as error:
            if asking is not None and error.details.get("run_id") == asking:
                return do_for_run(runner, request, asking, observer=observer, stop=stop)
            raise InProgressError(
                error.message, cause=error.cause, next_step=error.next_step, details=error.details
            ) from error

    def _announce_task(self, run: RunRecord, task: TaskRecord) -> None:
        status, phase = _STATUS.get(task.status), self.phase_of(task.name)
        if status is None or phase is None:
            return
        if status == "success" and task.incomplete:
            status = "partial"
        dataset, table = self._output_of(task)
        completion = Completion(
            processor=task.name,
            phase=COLLECTED if phase == "phase1" else phase,
            game_date=run.game_date,
            status=status,
            rows=task.rows,
            output_table=table,
            output_dataset=dataset,
            execution_id=task.carried_from or run.run_id,
            correlation_id=current().correlation_id or run.correlation_id,
            at=task.finished_at,
        )
        self.announce(phase, completion, completion.execution_id or run.run_id)

    def _output_of(self, task: TaskRecord) -> tuple[str | None, str | None]:
        """Return dataset and table of what a task wrote, as far as that is known; of a scraper what it collected."""
        collected = self._tools.workflows.tasks[task.name].parameters.get("dataset")
        if collected is not None:
            return None, str(collected)
        tables = [name for name in (task.versions.writes if task.versions else ()) if ":" not in name and "." in name]
        if len(tables) != 1:
            return None, None
        dataset, _, table = tables[0].rpartition(".")
        return dataset, table


def check_ended(runs: list[RunRecord], wanted: frozenset[str] | None = None) -> None:
    """Raise UnavailableError if a task may succeed when the request comes again.

    A task that failed for good is recorded and announced: to do it again would fail again.
    """
    for run in runs:
        for task in run.tasks:
            if (wanted is None or task.name in wanted) and may_succeed_later(task):
                raise UnavailableError(
                    f"{task.name} for {run.game_date} is not done: {task.status.value.replace('_', ' ')}",
                    cause=str(task.error["message"]) if task.error else task.reason,
                    next_step=f"The next delivery resumes it. See: nbactl runs show {run.run_id}",
                )


def may_succeed_later(task: TaskRecord) -> bool:
    """Say whether a task that is not done was stopped, ran out of time, or met something that passes."""
    if task.status is TaskStatus.FAILED:
        return task.error is not None and task.error.get("retryable") is True
    return task.status in (TaskStatus.CANCELLED, TaskStatus.TIMED_OUT, TaskStatus.PENDING, TaskStatus.RUNNING)


async def _stoppable(work: Callable[[Cancellation], T], grace: float) -> T:
    """Call `work` in a thread; when the wait is cancelled, have it stop within `grace` seconds."""
    stop = Cancellation()
    under_way = asyncio.ensure_future(in_daemon_thread(lambda: work(stop)))
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError as error:
        stop.request(str(error.args[0]) if error.args else _OUT_OF_TIME)
        await asyncio.wait({under_way}, timeout=grace)
        if under_way.done():
            under_way.exception()  # the cancellation is what the caller hears
        raise
