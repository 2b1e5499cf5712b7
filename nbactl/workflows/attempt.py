"""Attempts at a task: each is raced against its timeout and the end of the run, and then judged."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbactl.core._support.aio import in_daemon_thread
from nbactl.core._support.durations import format_duration
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.context import bound
from nbactl.core.observe.masking import as_text, mask, mask_within
from nbactl.errors import DataError, NbactlError, StillRunningError, TimedOutError
from nbactl.frozen import frozen
from nbactl.ports.compute import TaskContext
from nbactl.workflows.model import RunStatus, TaskRecord, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.compute import Compute, TaskCall, TaskOutcome
    from nbactl.workflows.fence import AttemptFence, Fences
    from nbactl.workflows.model import PlannedTask
    from nbactl.workflows.stop import Stop, StopSignal


class StoppedError(Exception):
    """The attempt was given up because the run ends."""


@frozen
class Ending:
    """How an attempt ended: with an outcome or with an error."""

    outcome: TaskOutcome | None = None
    error: BaseException | None = None
    timed_out: bool = False


def judge(task: PlannedTask, ending: Ending) -> Ending:
    """Hold a task to what it declares about its rows (invariant 15)."""
    if ending.outcome is None or not task.counts_rows:
        return ending
    if ending.outcome.rows is None:
        error = DataError(
            f"{task.name} reported no rows",
            cause="The task declares `output: rows`, so it must say how many rows it wrote.",
            next_step="Return TaskOutcome(rows=…), or declare `output: none`.",
        )
        return Ending(error=error)
    if ending.outcome.rows == 0 and not task.no_data_ok:
        reason = ending.outcome.detail.get("reason")
        error = DataError(
            f"{task.name} wrote 0 rows" + (f": {reason}" if reason else ""),
            cause="The task does not declare `no_data: ok`, so no data is a failure.",
            next_step="Check that its input is there for this game date (`nbactl runs logs`).",
        )
        return Ending(error=error)
    return ending


def within_quarantine(task: PlannedTask, ending: Ending, day: date) -> Ending:
    """Hold a task to its limits on the share of records that it refused: one for a warning, one for a failure.

    The records are counted in the detail of the outcome: `quarantined`, of earlier dates `earlier_quarantined`.
    """
    outcome, limits = ending.outcome, task.quarantine
    if outcome is None or limits is None:
        return ending
    detail = outcome.detail
    warnings = list(detail.get("warnings", ()))
    for rows, refused, when in (
        (outcome.rows or 0, detail.get("quarantined", 0), str(day)),
        (detail.get("earlier_rows", 0), detail.get("earlier_quarantined", 0), f"dates before {day}"),
    ):
        share = refused / (rows + refused) if refused else 0.0
        what = f"{task.name}: {refused} of {rows + refused} records of {when} are in quarantine ({share:.0%})"
        if share > limits.fail_above and when == str(day):
            error = DataError(
                what,
                cause=f"More than {limits.fail_above:.0%} is a failure (`quarantine` in workflows.yaml): "
                f"{_reasons(detail) or 'see there'}.",
                next_step=f"See reason and origin of each in {detail.get('quarantine', 'its quarantine table')}.",
            )
            return Ending(error=error)
        if share > limits.warn_above:
            reasons = _reasons(detail) if when == str(day) else ""
            warnings.append(what + (f": {reasons}" if reasons else ""))
    if len(warnings) == len(detail.get("warnings", ())):
        return ending
    return replace(ending, outcome=replace(outcome, detail={**detail, "warnings": warnings}))


def _reasons(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in detail.get("reasons", {}).items())


def ended(record: TaskRecord, ending: Ending, now: datetime, stop: Stop | None) -> TaskRecord:
    """Return the record of a task whose last attempt ended so."""
    record = replace(record, finished_at=now)
    if ending.outcome is not None:
        rows = ending.outcome.rows
        status = TaskStatus.NO_DATA if rows == 0 else TaskStatus.SUCCEEDED
        return replace(
            record,
            status=status,
            rows=rows,
            error=None,
            detail=mask_within(ending.outcome.detail),
            versions=ending.outcome.versions,
            incomplete=ending.outcome.incomplete,
        )
    if isinstance(ending.error, StillRunningError):
        detail = mask_within(ending.error.details)
        return replace(record, status=TaskStatus.DETACHED, reason=mask(ending.error.message), detail=detail)
    if stop is not None and isinstance(ending.error, StoppedError):
        return stopped(record, stop)
    if ending.error is None:
        raise ValueError("an attempt ends with an outcome or an error")
    status = TaskStatus.TIMED_OUT if ending.timed_out else TaskStatus.FAILED
    called = ending.error.details.get("call") if isinstance(ending.error, NbactlError) else None
    return replace(record, status=status, error=describe(ending.error), detail=mask_within(called or {}))


def stopped(record: TaskRecord, stop: Stop) -> TaskRecord:
    """Return the record of a task that the end of its run stopped, or kept from starting."""
    if stop.kind != "deadline":
        status = TaskStatus.CANCELLED
    else:
        status = TaskStatus.TIMED_OUT if record.status is TaskStatus.RUNNING else TaskStatus.SKIPPED
    return replace(record, status=status, reason=stop.reason)


def blocked(record: TaskRecord, need: TaskRecord) -> TaskRecord:
    """Return the record of a task that cannot run because `need` was not done."""
    reason = f"needs {need.name}, which {_BECAME[need.status]}"
    return TaskRecord(record.name, record.required, TaskStatus.SKIPPED, reason=reason)


_BECAME = {
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMED_OUT: "timed out",
    TaskStatus.SKIPPED: "was skipped",
    TaskStatus.CANCELLED: "was cancelled",
    TaskStatus.DETACHED: "is still running",
}


def judge_run(wanted: Sequence[TaskRecord], stop: Stop | None, *, settled: bool) -> RunStatus:
    """Judge a run by set membership: every required task must be done (invariant 9).

    `wanted` are the tasks of the run but those that were left out on request. What the date lacks counts once it is
    `settled`.
    """
    missing = [record for record in wanted if not record.status.done]
    if not missing:
        lacking = settled and any(record.incomplete for record in wanted)
        return RunStatus.PARTIAL if lacking else RunStatus.SUCCEEDED
    if stop is not None and stop.kind == "cancelled":
        return RunStatus.CANCELLED
    broken = stop is not None and stop.kind != "deadline"
    failed = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)
    working = any(record.status is TaskStatus.DETACHED for record in missing)
    if working and not broken and not any(record.required and record.status in failed for record in missing):
        return RunStatus.DETACHED
    return RunStatus.FAILED if broken or any(record.required for record in missing) else RunStatus.PARTIAL


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as the ledger keeps it: type, message, traceback and what we know beyond (invariant 17).

    Secrets are masked (invariant 28).
    """
    text: dict[str, Any] = {
        "type": type(error).__name__,
        "message": mask(as_text(error)) or type(error).__name__,
        "traceback": mask("".join(traceback.format_exception(error))),
    }
    if isinstance(error, NbactlError):
        cause, next_step = (mask(part) if part else part for part in (error.cause, error.next_step))
        text |= {"code": error.code, "cause": cause, "next": next_step, "retryable": error.retryable}
    return text


class Attempts:
    """Makes attempts. `grace` is how long, in seconds, work may take to stop when asked to."""

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
            work = asyncio.ensure_future(_capture(self._compute, TaskContext(call, fence)))
        how = await self._first(task.timeout, work)
        if how == "work":
            ending = within_quarantine(task, judge(task, work.result()), call.game_date)
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
        if work.done() and not work.cancelled() and isinstance(left := work.result().error, StillRunningError):
            error.details["call"] = left.details
        return Ending(error=error, timed_out=True)

    async def _give_up(self, task: PlannedTask, work: asyncio.Future[Ending], fence: AttemptFence) -> Ending:
        """Tell the work to stop; if it came to its own end meanwhile, that end counts."""
        await self._end(work)
        await _revoke(fence, "the run was stopped")
        if work.done() and not work.cancelled():
            ending = judge(task, work.result())
            if ending.outcome is not None or isinstance(ending.error, StillRunningError):
                return ending
        return Ending(error=StoppedError())

    async def _end(self, work: asyncio.Future[Ending]) -> None:
        work.cancel()
        # Once the grace for the work itself, once for killing its process, once for its last output. Work that ignores
        # all of that is abandoned; its fence is revoked.
        await self._first(3 * self._grace, work, stoppable=False)

    async def _first(
        self, seconds: float, work: asyncio.Future[Ending] | None = None, *, stoppable: bool = True
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
        unsubscribe = self._stop.subscribe(lambda: resolve("stop")) if stoppable else None
        try:
            return await first
        finally:
            if unsubscribe is not None:
                unsubscribe()
            timer.cancel()


async def _capture(compute: Compute, context: TaskContext) -> Ending:
    """Run a task and turn whatever it raises into a value: nothing a task does ends the event loop."""
    try:
        return Ending(outcome=await compute.run(context))
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
