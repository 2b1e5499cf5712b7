"""The process of a task with `isolate: process`; REQUEST and ANSWER on its command line are inherited pipes.

It dies with the process that started it: both are in one process group with a watcher (adapters/inprocess/process.py).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import sys
import traceback
from typing import TYPE_CHECKING

from nbactl.adapters.inprocess.compute import load_function, outcome_of
from nbactl.adapters.inprocess.isolated import Answer
from nbactl.bootstrap import Container
from nbactl.core._support.faults import arm_from_environment
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.context import bound
from nbactl.core.observe.logging import RunLogHandler, logging_to
from nbactl.ports.compute import TaskContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.adapters.inprocess.isolated import Assignment
    from nbactl.ports.compute import TaskOutcome


class InheritedFence:
    """The fence of the attempt, in its own process: it is revoked by killing the process."""

    def __init__(self, token: int, holder: str) -> None:
        self.token = token
        self.holder = holder

    def guard(self, commit: Callable[[], None]) -> None:
        """Call `commit`."""
        commit()


def main(argv: Sequence[str]) -> int:
    """Do one assignment and send its answer back."""
    arm_from_environment(os.environ.get("NBACTL_FAULTS", ""))
    request, answer = (int(text) for text in argv)
    with os.fdopen(request, "rb") as stream:
        assignment: Assignment = pickle.load(stream)  # noqa: S301 - our parent wrote it to a pipe that only we hold
    data = pickle.dumps(_answer(assignment))
    with os.fdopen(answer, "wb") as stream:
        stream.write(data)
    return 0


def _answer(assignment: Assignment) -> Answer:
    try:
        return Answer(_perform(assignment), None)
    except BaseException as error:  # noqa: BLE001 - raised again by the parent
        return Answer(None, _portable(error), traceback.format_exc())


def _perform(assignment: Assignment) -> TaskOutcome:
    call = assignment.call
    context = TaskContext(call, InheritedFence(assignment.token, assignment.holder))
    with (
        Container(assignment.setup) as app,
        logging_to(RunLogHandler(app.settings.state_dir / "logs")),
        bound(
            run_id=call.run_id,
            workflow=call.run_name,
            task=call.task,
            game_date=call.game_date.isoformat(),
            correlation_id=call.correlation_id,
            attempt=call.attempt,
        ),
        deadline_scope(call.timeout, app.clock),
    ):
        app.command = "run"
        target = str(call.work.target)
        if call.work.kind == "processor":
            return app.run_processor(target, context)
        result = load_function(target)(context)
        return outcome_of(asyncio.run(result) if inspect.iscoroutine(result) else result, target)


def _portable(error: BaseException) -> BaseException:
    """Return the error itself if it can be pickled, else one with the same message."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line itself
    except Exception:  # noqa: BLE001 - pickling calls the code of any class
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
