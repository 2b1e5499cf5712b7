from __future__ import annotations

import asyncio
import gc
from datetime import date

from nbactl.core.calls.retry import RetryPolicy
from nbactl.ports.compute import TaskCall, TaskContext, TaskOutcome, Work
from nbactl.testing import FakeClock
from nbactl.workflows.attempt import Attempts, Ending
from nbactl.workflows.fence import Fences
from nbactl.workflows.model import PlannedTask
from nbactl.workflows.stop import Stop, StopSignal

WORK = Work("call", "module:function")


class Runs:
    """Compute that notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def run(self, context: TaskContext) -> TaskOutcome:
        self.asked.append(context.call.task)
        return TaskOutcome(1)


def test_a_run_that_was_stopped_before_its_task_began_leaves_no_coroutine_behind() -> None:
    compute = Runs()

    async def main() -> Ending:
        stop = StopSignal()
        stop.request(Stop("cancelled", "Ctrl-C"))
        attempts = Attempts(compute, Fences(1, "test"), stop, FakeClock(), grace=0.01)
        call = TaskCall("run-1", "phase", "task", date(2024, 1, 15), 1, 60.0, WORK, "corr-1", "sample")
        return await attempts.make(PlannedTask("task", WORK, 60.0, RetryPolicy(attempts=1)), call)

    ending = asyncio.run(main())
    gc.collect()
    assert (ending.outcome, compute.asked) == (None, [])
