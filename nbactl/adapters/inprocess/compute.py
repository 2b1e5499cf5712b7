"""InProcessCompute: tasks as functions of this process, as child processes and as commands."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

from nbactl.adapters.inprocess.command import run_command
from nbactl.adapters.inprocess.functions import is_loaded, load_function, outcome_of
from nbactl.core._support.aio import in_daemon_thread
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.compute import TaskContext, TaskOutcome


class InProcessCompute:
    """Runs tasks on this machine.

    `processor` runs a registered processor; `worker` names the module that runs isolated tasks and `worker_setup` is
    what it needs to build its services; `grace` is how long, in seconds, a child may take to stop after SIGTERM, and a
    thread to end.
    """

    def __init__(
        self,
        processor: Callable[[str, TaskContext], TaskOutcome],
        *,
        worker: str,
        worker_setup: object,
        grace: float,
    ) -> None:
        self._processor = processor
        self._worker = worker
        self._worker_setup = worker_setup
        self._grace = grace

    async def run(self, context: TaskContext) -> TaskOutcome:
        work = context.call.work
        if work.kind == "command":
            return await run_command(context, grace=self._grace)
        if work.kind == "service":
            raise ConfigError(
                f"task {context.call.task} runs as a service, and target local starts none",
                next_step="Run it with --target gcp.",
            )
        if work.isolate:
            from nbactl.adapters.inprocess.isolated import run_isolated  # noqa: PLC0415 - few tasks ask for it

            return await run_isolated(context, module=self._worker, setup=self._worker_setup, grace=self._grace)
        target = cast("str", work.target)
        if work.kind == "processor":
            return await in_daemon_thread(lambda: self._processor(target, context), grace=self._grace)
        return await self._call(target, context)

    async def _call(self, target: str, context: TaskContext) -> TaskOutcome:
        result: object
        if is_loaded(target) and inspect.iscoroutinefunction(function := load_function(target)):
            result = await function(context)
        else:
            # A first import may take long, so it happens in the thread; calling an async function there only makes
            # the coroutine.
            result = await in_daemon_thread(lambda: load_function(target)(context), grace=self._grace)
            if inspect.isawaitable(result):
                result = await result
        return outcome_of(result, target)
