"""One attempt at one task: raced against its timeout and the end of the run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbactl.core._support.aio import in_daemon_thread
from nbactl.core._support.durations import format_duration
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.context import bound
from nbactl.errors import TimedOutError
from nbactl.ports.compute import TaskContext
from nbactl.workflows.verdict import Ending, StoppedError, judge

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nbactl.core._support.clock import Clock
    from nbactl.ports.compute import Compute, TaskCall, TaskOutcome
    from nbactl.workflows.fence import AttemptFence, Fences
    from nbactl.workflows.model import PlannedTask
    from nbactl.workflows.stop import StopSignal


class Attempts:
    """Makes attempts. `grace` is how long, in seconds, work that was told to stop may take to do so."""

    def __init__(self, compute: Compute, fences: Fences, stop: StopSignal, clock: Clock, grace: float) -> None:
        self._compute = compute
        self._fences = fences
        self._stop = stop
        self._clock = clock
        self._grace = grace

    async def make(self, task: PlannedTask, call: TaskCall) -> Ending:
        """Run the task once. A late effect of an attempt that was given up is fenced off."""
        fence = self._fences.issue()
        try:
            return await self._race(task, call, fence)
        finally:
            self._fences.retire(fence)

    async def pause(self, seconds: float) -> bool:
        """Wait before the next attempt; returns False as soon as the run ends."""
        return await self._first(seconds) != "stop"

    async def _race(self, task: PlannedTask, call: TaskCall, fence: AttemptFence) -> Ending:
        names = bound(
            run_id=call.run_id,
            workflow=call.run_name,
            task=call.task,
            game_date=call.game_date.isoformat(),
            correlation_id=call.correlation_id,
            attempt=call.attempt,
        )
        with names, deadline_scope(task.timeout, self._clock) as deadline:
            work = asyncio.ensure_future(_capture(self._compute.run(TaskContext(call, fence))))
        how = await self._first(task.timeout, work)
        if how == "work":
            ending = judge(task, work.result())
            late = isinstance(ending.error, TimedOutError) and deadline.remaining() == 0.0
            return replace(ending, timed_out=True) if late else ending
        if how == "stop":
            return await self._give_up(task, work, fence)
        reason = f"attempt {call.attempt} took longer than {format_duration(task.timeout)}"
        await _revoke(fence, reason)
        await self._end(work)
        error = TimedOutError(
            f"{task.name} timed out: {reason}",
            cause="Every attempt is bounded by the task's timeout in timeouts.yaml.",
            next_step="See in `nbactl runs logs` what it waited for; raise its timeout if the work really needs it.",
        )
        return Ending(error=error, timed_out=True)

    async def _give_up(self, task: PlannedTask, work: asyncio.Future[Ending], fence: AttemptFence) -> Ending:
        """Tell the work to stop; if it came to its own end meanwhile, that end counts."""
        await self._end(work)
        await _revoke(fence, "the run was stopped")
        if work.done() and not work.cancelled():
            ending = judge(task, work.result())
            if ending.outcome is not None:
                return ending
        return Ending(error=StoppedError())

    async def _end(self, work: asyncio.Future[Ending]) -> None:
        work.cancel()
        # Once the grace for the work itself, once for killing the process it runs in, once for its last output. What
        # is deaf to all that is left behind with its fence revoked.
        await self._first(3 * self._grace, work, heed_stop=False)

    async def _first(
        self, seconds: float, work: asyncio.Future[Ending] | None = None, *, heed_stop: bool = True
    ) -> str:
        """Return what comes first: the end of the `work`, of the time (`timer`) or of the run (`stop`)."""
        loop = asyncio.get_running_loop()
        first: asyncio.Future[str] = loop.create_future()

        def resolve(name: str) -> None:
            if not first.done():
                first.set_result(name)

        timer = loop.create_task(self._clock.sleep_async(seconds))
        timer.add_done_callback(lambda _: resolve("timer"))
        if work is not None:
            work.add_done_callback(lambda _: resolve("work"))
        unsubscribe = self._stop.subscribe(lambda: resolve("stop")) if heed_stop else None
        try:
            return await first
        finally:
            if unsubscribe is not None:
                unsubscribe()
            timer.cancel()


async def _capture(work: Coroutine[Any, Any, TaskOutcome]) -> Ending:
    """Await the work and turn whatever it raises into a value: nothing a task does ends the event loop."""
    try:
        return Ending(outcome=await work)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return Ending(error=error)
    except BaseException as error:  # noqa: BLE001 - recorded as the task's failure, with its traceback
        return Ending(error=error)


async def _revoke(fence: AttemptFence, reason: str) -> None:
    if fence.revoke(reason, wait=0):
        return
    # A commit runs under the fence: wait for its end, but not on the event loop.
    await in_daemon_thread(lambda: fence.revoke(reason))
