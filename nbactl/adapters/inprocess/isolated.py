"""Tasks in a child process that is killed when they time out (`isolate: process`)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import pickle
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbactl.adapters.inprocess.command import CommandFailedError, task_environment
from nbactl.adapters.inprocess.process import run_process
from nbactl.core._support.aio import in_daemon_thread

if TYPE_CHECKING:
    from nbactl.ports.compute import TaskCall, TaskContext, TaskOutcome

_FIRST_DESCRIPTOR = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker process is sent. `setup` is what its module needs to build its own services."""

    setup: Any
    call: TaskCall
    token: int
    holder: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker process sends back. `trace` is the traceback of `error`, as text."""

    outcome: TaskOutcome | None
    error: BaseException | None
    trace: str = ""


class WorkerTraceback(Exception):  # noqa: N818 - it is the cause shown under the error, not one that is raised
    """The traceback of an error in a worker process."""


async def run_isolated(context: TaskContext, *, module: str, setup: object, grace: float) -> TaskOutcome:
    """Run the task in `python -m module`; raises what it raised there, CommandFailedError if the process died."""
    request = pickle.dumps(Assignment(setup, context.call, context.fence.token, context.fence.holder))
    request_read, request_write = _pipe()
    answer_read, answer_write = _pipe()
    # Both pipes are served by threads: they end when the other side closes, at the latest when the process dies.
    sent = asyncio.ensure_future(in_daemon_thread(lambda: _send(request_write, request)))
    received = asyncio.ensure_future(in_daemon_thread(lambda: _receive(answer_read)))
    try:
        code = await run_process(
            (sys.executable, "-m", module, str(request_read), str(answer_write)),
            on_line=lambda stream, line: _log.info("%s", line, extra={"stream": stream}),
            grace=grace,
            environment={**task_environment(context), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            pass_fds=(request_read, answer_write),
        )
    finally:
        os.close(request_read)
        os.close(answer_write)
        await asyncio.wait((sent, received))
    data = received.result()
    if not data:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise CommandFailedError(
            f"the process of {context.call.task} {how} before it answered",
            cause="A task with `isolate: process` runs in a process of its own; the system may have ended it (memory).",
            next_step=f"See its output: nbactl runs logs {context.call.run_id}",
        )
    answer: Answer = pickle.loads(data)  # noqa: S301 - our own child wrote it to a pipe that only it and we hold
    if answer.error is not None:
        raise answer.error from WorkerTraceback(f"\n{answer.trace}")
    assert answer.outcome is not None  # noqa: S101 - an answer has an outcome or an error
    return answer.outcome


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends have numbers that no shell uses for itself."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR) for descriptor in low)
    for descriptor in low:
        os.close(descriptor)
    return high[0], high[1]


def _send(descriptor: int, data: bytes) -> None:
    # A child that dies before it has read everything is reported by its missing answer.
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _receive(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()
