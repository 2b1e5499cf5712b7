"""Tasks that a run elsewhere asks this service for, such as one of `nbactl run --target gcp`.

That run has the lease of the phase and date, and records the tasks in the ledger. So they are done here under its
fencing token, and no run of our own is made. A task is tried once: the run that asks tries again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.errors import InProgressError
from nbactl.ports.compute import TaskCall
from nbactl.workflows.attempt import Attempts, blocked, ended
from nbactl.workflows.fence import Fences
from nbactl.workflows.graph import level_of_tasks
from nbactl.workflows.loop import run_on_loop
from nbactl.workflows.model import RunEvent, TaskRecord, TaskStatus
from nbactl.workflows.stop import Stop, StopSignal

if TYPE_CHECKING:
    from nbactl.core._support.aio import Cancellation
    from nbactl.core.lease.leases import Lease
    from nbactl.workflows.model import Observer, PlannedTask, RunPlan, RunRecord, RunRequest
    from nbactl.workflows.runner import Runner


def do_for_run(
    runner: Runner, request: RunRequest, run_id: str, *, observer: Observer, stop: Cancellation
) -> list[RunRecord]:
    """Do the tasks of a request for the run that asks; returns that run with the tasks as they ended here.

    Raises InProgressError if it has lost the lease meanwhile.
    """
    asking = runner.ledger.find(run_id)
    done = []
    for plan in runner.plan(request):
        lease = runner.leases.current(plan.lease)
        if lease is None or lease.owner != asking.owner:
            raise InProgressError(f"{plan.name} for {plan.game_date} is not held by {run_id} any more")
        work = _Work(runner, plan, asking, lease, observer)
        tasks = run_on_loop(work.run(stop), on_interrupt=lambda: stop.request("SIGINT"))
        done.append(replace(asking, game_date=plan.game_date, tasks=tasks))
    return done


class _Work:
    def __init__(self, runner: Runner, plan: RunPlan, asking: RunRecord, lease: Lease, observer: Observer) -> None:
        self._runner = runner
        self._plan = plan
        self._asking = asking
        self._lease = lease
        self._observe = observer

    async def run(self, cancellation: Cancellation) -> tuple[TaskRecord, ...]:
        stop, engine = StopSignal(), self._runner.engine
        unsubscribe = cancellation.subscribe(lambda reason: stop.request_threadsafe(Stop("cancelled", reason)))
        fences = Fences(self._lease.token, self._lease.owner)
        attempts = Attempts(engine.compute, fences, stop, engine.clock, engine.grace)
        chosen = [task for task in self._plan.tasks if task.excluded is None]
        level = level_of_tasks(chosen)
        records: dict[str, TaskRecord] = {}
        try:
            for task in sorted(chosen, key=lambda one: level[one.name]):
                need = next((need for need in task.needs if need in records and not records[need].status.done), None)
                record = TaskRecord(task.name, task.required, TaskStatus.RUNNING, 1, engine.clock.now())
                if need is not None:
                    record = blocked(record, records[need])
                else:
                    self._observe(RunEvent("task_started", self._asking, record))
                    record = ended(record, await attempts.make(task, self._call(task)), engine.clock.now(), stop.stop)
                records[task.name] = record
                self._observe(RunEvent("task_finished", self._asking, record))
        finally:
            unsubscribe()
        return tuple(records.values())

    def _call(self, task: PlannedTask) -> TaskCall:
        asking = self._asking
        return TaskCall(
            run_id=asking.run_id,
            run_name=asking.name,
            task=task.name,
            game_date=self._plan.game_date.day,
            attempt=1,
            timeout=task.timeout,
            work=task.work,
            correlation_id=asking.correlation_id,
            source=self._plan.source,
        )
