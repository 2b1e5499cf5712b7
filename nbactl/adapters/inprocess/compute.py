"""Tasks on this machine: as functions `package.module:function`, as child processes and as commands."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from nbactl.adapters.inprocess.command import run_command
from nbactl.core._support.aio import in_daemon_thread
from nbactl.core._support.names import did_you_mean
from nbactl.errors import ConfigError, DataError
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.ports.compute import TaskContext, Work


class ProcessorSets(Protocol):
    """Registered processors for many dates at once."""

    def takes(self, name: str) -> bool:
        """Say whether the processor may be run for many dates at once."""
        ...

    def run(self, name: str, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
        """Run it; returns for each date what it gives or raises. Raises what concerns no single date."""
        ...


class InProcessCompute:
    """Runs tasks on this machine.

    `processor` runs a registered processor, `sets` one for many dates; `worker` names the module that runs isolated
    tasks and `worker_setup` is what it needs to build its services; `grace` is how long, in seconds, a child may take
    to stop after SIGTERM, and a thread to end.
    """

    def __init__(
        self,
        processor: Callable[[str, TaskContext], TaskOutcome],
        *,
        sets: ProcessorSets | None = None,
        worker: str,
        worker_setup: object,
        grace: float,
    ) -> None:
        self._processor = processor
        self._sets = sets
        self._worker = worker
        self._worker_setup = worker_setup
        self._grace = grace

    def takes_sets(self, work: Work) -> bool:
        if self._sets is None or work.kind != "processor" or work.isolate:
            return False
        return self._sets.takes(cast("str", work.target))

    async def run_set(self, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
        sets, target = self._sets, cast("str", contexts[0].call.work.target)
        if sets is None:
            raise ValueError(f"{target} cannot be run for many dates")
        return await in_daemon_thread(lambda: sets.run(target, contexts), grace=self._grace)

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
        if target.partition(":")[0] in sys.modules and inspect.iscoroutinefunction(function := load_function(target)):
            result = await function(context)
        else:
            # A first import may take long, so it happens in the thread; calling an async function there only makes
            # the coroutine.
            result = await in_daemon_thread(lambda: load_function(target)(context), grace=self._grace)
            if inspect.isawaitable(result):
                result = await result
        return outcome_of(result, target)


def load_function(target: str) -> Callable[..., Any]:
    """Return the function named `package.module:function`. Raises ConfigError."""
    module_name, colon, name = target.partition(":")
    if not colon or not name:
        raise ConfigError(f"call: '{target}' is not of the form package.module:function")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigError(
            f"call: '{target}' cannot be imported",
            cause=str(error),
            next_step="Correct it in workflows.yaml, or install what it needs.",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        public = [member for member, value in vars(module).items() if callable(value) and not member.startswith("_")]
        raise ConfigError(f"call: module {module_name} has no function {name}", next_step=did_you_mean(name, public))
    return function  # type: ignore[no-any-return]


def outcome_of(result: object, target: str) -> TaskOutcome:
    """Read what a function returned: a TaskOutcome, a number of rows, or None. Raises DataError for anything else."""
    if isinstance(result, TaskOutcome):
        return result
    if result is None or (isinstance(result, int) and not isinstance(result, bool)):
        return TaskOutcome(rows=result)
    raise DataError(
        f"{target} returned {type(result).__name__}",
        cause="A task returns a TaskOutcome, the number of rows it wrote, or None.",
    )
