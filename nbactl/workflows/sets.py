"""Sets of dates: which runs of a request are executed at once, and one task of theirs as one call.

The unit of work of a range is a set of dates. Each date keeps its run, lease, fences and records: its execution is the
same as that of a single date, and what it computes is computed together with the others. A date that fails leaves the
set, and goes on alone.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Final

from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextvars import Context

    from nbactl.ports.compute import Compute, SetCompute, TaskContext, TaskOutcome, Work
    from nbactl.workflows.model import RunEvent, RunPlan

MOST_DATES: Final = 31
"""Dates of a set: a month. More would take more memory, and gain little."""
_AT_ONCE: Final = 2
"""Tasks of a set that are executed at the same time: each takes the memory of a month."""


def sets_of(
    plans: Sequence[RunPlan], order: Sequence[str], takes_sets: Callable[[Work], bool]
) -> Iterator[list[RunPlan]]:
    """Yield the runs of a request in the order of their execution, those of a set together.

    `plans` are in the order of their dates. Of each date, the first runs whose work may be done in sets join those of
    the dates of a month, which are run phase by phase (`order` names the phases). Its other runs come after them, date
    by date: what takes sets needs nothing that they make.
    """
    days = [list(of_day) for _, of_day in groupby(plans, key=lambda plan: plan.game_date)]
    chunk: list[list[RunPlan]] = []
    after: list[RunPlan] = []

    def together() -> Iterator[list[RunPlan]]:
        yield from _by_phase(chunk, order)
        yield from ([plan] for plan in after)
        chunk.clear()
        after.clear()

    for of_day in days:
        joining = list(takewhile(lambda plan: _may_join(plan, order, takes_sets), of_day))
        alone = of_day[len(joining) :]
        if not joining or any(plan.name not in order for plan in alone):
            yield from together()
            yield from ([plan] for plan in of_day)
            continue
        if len(chunk) == MOST_DATES:
            yield from together()
        chunk.append(joining)
        after.extend(alone)
    yield from together()


def _may_join(plan: RunPlan, order: Sequence[str], takes_sets: Callable[[Work], bool]) -> bool:
    return plan.name in order and all(takes_sets(task.work) for task in plan.tasks if task.excluded is None)


def _by_phase(days: Sequence[Sequence[RunPlan]], order: Sequence[str]) -> Iterator[list[RunPlan]]:
    for name in order:
        of_phase = [plan for of_day in days for plan in of_day if plan.name == name]
        yield from ([plan] for plan in of_phase if plan.skip_reason is not None)
        for shape, group in groupby((plan for plan in of_phase if plan.skip_reason is None), key=shape_of):
            alike = list(group)
            yield from ([plan] for plan in alike) if shape is None else [alike]


def shape_of(plan: RunPlan) -> object:
    """Return what runs of a set have in common; None for a run that is decided task by task, or with few workers.

    Runs of one shape start the same tasks in the same order, so that none waits for another that waits for it.
    """
    todo = [task for task in plan.tasks if task.excluded is None and task.carried is None]
    some_workers = plan.mode != "sequential" and 1 < plan.max_workers < len(todo)
    if plan.depends_on is not None or some_workers or any(task.recheck for task in plan.tasks):
        return None
    return plan.mode, tuple((task.name, task.state == "forced") for task in todo)


@frozen
class _Arrival:
    """A task of one run that waits for the others of its set."""

    context: TaskContext
    outcome: asyncio.Future[TaskOutcome]
    variables: Context
    cancelled: asyncio.Event


@frozen
class _Going:
    """A task that is being executed for some dates."""

    work: asyncio.Task[None]
    arrivals: Sequence[_Arrival]


class Gathering:
    """Executes a task once for a set of dates, when it is the turn of all of them. One set, on one loop."""

    def __init__(self, compute: Compute, sets: SetCompute, members: Iterable[str], grace: float) -> None:
        """`members` are the ids of the runs; `grace` is how long, in seconds, work may take to stop."""
        self._compute = compute
        self._sets = sets
        self._members = set(members)
        self._grace = grace
        self._waiting: dict[str, dict[str, _Arrival]] = {}
        self._going: dict[str, _Going] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, context: TaskContext) -> TaskOutcome:
        """Execute a task, together with the others that are still in the set."""
        call = context.call
        if call.run_id not in self._members or len(self._members) == 1:
            return await self._compute.run(context)
        arrival = _Arrival(context, asyncio.get_running_loop().create_future(), copy_context(), asyncio.Event())
        self._waiting.setdefault(call.task, {})[call.run_id] = arrival
        self._go(call.task)
        try:
            return await asyncio.shield(arrival.outcome)
        except asyncio.CancelledError:
            self._leave_call(arrival)
            await asyncio.wait({arrival.outcome}, timeout=self._grace)
            if arrival.outcome.cancel() or arrival.outcome.cancelled():
                raise
            return arrival.outcome.result()

    def observe(self, event: RunEvent) -> None:
        """Notice a run that goes on alone from now on: a task of it failed, or is tried again, or the run ended."""
        failed = event.kind == "task_finished" and event.task is not None and not event.task.status.done
        if failed or event.kind in ("task_retrying", "run_finished"):
            self.leave(event.run.run_id)

    def leave(self, run_id: str) -> None:
        """Take a run out of the set; what waits only for it goes on."""
        if run_id in self._members:
            self._members.discard(run_id)
            for task in list(self._waiting):
                self._go(task)

    def _leave_call(self, arrival: _Arrival) -> None:
        """Give up one date's wait; the call itself ends when no date waits for it."""
        call = arrival.context.call
        arrival.cancelled.set()
        if (going := self._going.get(call.task)) is None or arrival not in going.arrivals:
            self._waiting.get(call.task, {}).pop(call.run_id, None)
            arrival.outcome.cancel()
        elif all(other.cancelled.is_set() for other in going.arrivals):
            going.work.cancel()

    def _go(self, task: str) -> None:
        waiting = self._waiting.get(task, {})
        if waiting and self._members <= waiting.keys():
            arrived = sorted(self._waiting.pop(task).values(), key=lambda arrival: arrival.context.call.game_date)
            work = asyncio.get_running_loop().create_task(self._in_turn(arrived), context=arrived[0].variables)
            self._going[task] = _Going(work, arrived)

    async def _in_turn(self, arrivals: Sequence[_Arrival]) -> None:
        try:
            async with self._turns:
                await self._execute(arrivals)
        except asyncio.CancelledError:
            for arrival in arrivals:
                arrival.outcome.cancel()
            raise

    async def _execute(self, arrivals: Sequence[_Arrival]) -> None:
        """Execute a task for these dates; where it fails for a date nobody can name, for each half of them."""
        there = [arrival for arrival in arrivals if not arrival.outcome.done()]
        try:
            if len(there) == 1:
                found: Sequence[TaskOutcome | Exception] = [await self._compute.run(there[0].context)]
            else:
                found = await self._sets.run_set([arrival.context for arrival in there]) if there else []
        except Exception as error:  # noqa: BLE001 - raised where the outcome of each date is awaited
            if len(there) > 1 and not (isinstance(error, NbactlError) and error.retryable):
                half = len(there) // 2
                await self._execute(there[:half])
                await self._execute(there[half:])
                return
            found = [error] * len(there)
        for arrival, outcome in zip(there, found, strict=True):
            _settle(arrival.outcome, outcome)


def _settle(future: asyncio.Future[TaskOutcome], outcome: TaskOutcome | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
