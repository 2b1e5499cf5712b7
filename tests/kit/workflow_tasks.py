"""Tasks for tests of the engine: what they do is said in their `with:` parameters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError, UnavailableError
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from nbactl.ports.compute import TaskContext

ERRORS: dict[str, BaseException] = {
    "unavailable": UnavailableError("the backend is away"),
    "data": DataError("line 3 is wrong"),
    "value": ValueError("a bug"),
    "exit": SystemExit("sys.exit() in a task"),
    "interrupt": KeyboardInterrupt(),
    "cancelled": asyncio.CancelledError(),
    "stop": StopIteration(),
}


class World:
    """What the tasks of one test share: the clock, and what happened, in order."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.events: list[tuple[str, str]] = []
        self.tries: dict[str, int] = {}
        self.at_once = 0
        self.most_at_once = 0

    def begin(self, task: str) -> int:
        self.events.append(("begin", task))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.tries[task] = self.tries.get(task, 0) + 1
        return self.tries[task]

    def end(self, task: str) -> None:
        self.events.append(("end", task))
        self.at_once -= 1

    @property
    def order(self) -> list[str]:
        return [task for kind, task in self.events if kind == "begin"]


WORLD: list[World] = []


async def work(context: TaskContext) -> TaskOutcome:
    """Sleep `sleep` seconds, raise `raises` on the first `fails` tries (default: always), else report `rows`."""
    world, given = WORLD[-1], context.parameters
    tried = world.begin(context.call.task)
    try:
        await world.clock.sleep_async(given.get("sleep", 0))
        if "raises" in given and tried <= given.get("fails", 1000):
            raise ERRORS[given["raises"]]
        return TaskOutcome(given.get("rows", 1))
    finally:
        world.end(context.call.task)


async def deaf(context: TaskContext) -> TaskOutcome:
    """Swallow every cancellation."""
    WORLD[-1].begin(context.call.task)
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            continue


async def contextual(context: TaskContext) -> TaskOutcome:
    """Report what the run's context and deadline say."""
    from nbactl.core.calls.deadline import remaining  # noqa: PLC0415
    from nbactl.core.observe.context import current  # noqa: PLC0415

    return TaskOutcome(1, {**current().labels(), "remaining": remaining(1e9), "fencing_token": context.fence.token})
