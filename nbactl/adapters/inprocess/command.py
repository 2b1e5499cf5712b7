"""Commands as tasks: a subprocess, whose output goes to the run's log."""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import TYPE_CHECKING

from nbactl.adapters.inprocess.process import run_process
from nbactl.errors import DataError, NbactlError
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from nbactl.ports.compute import TaskContext

_TAIL_LINES = 20
_log = logging.getLogger(__name__)


class CommandFailedError(NbactlError):
    """A command ended with an exit code other than 0."""

    code = "command_failed"


async def run_command(context: TaskContext, *, grace: float) -> TaskOutcome:
    """Run the task's command. Its last line on stdout may report rows, as `{"rows": 12}`.

    Raises CommandFailedError with the end of stderr.
    """
    call = context.call
    command = call.work.target
    if isinstance(command, str):
        raise TypeError(f"a command is a sequence of arguments, not {command!r}")
    last = ""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def on_line(stream: str, line: str) -> None:
        nonlocal last
        _log.info("%s", line, extra={"stream": stream})
        if stream == "stderr":
            tail.append(line)
        elif line.strip():
            last = line

    code = await run_process(command, on_line=on_line, grace=grace, environment=task_environment(context))
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise CommandFailedError(
            f"{command[0]} {how}" + (f": {tail[-1]}" if tail else ""),
            cause="\n".join(tail) or "It wrote nothing to stderr.",
            next_step=f"See its output: nbactl runs logs {call.run_id}",
        )
    return TaskOutcome(rows=_rows(last))


def task_environment(context: TaskContext) -> dict[str, str]:
    """Return the environment variables that tell a child process what it works on."""
    call = context.call
    return {
        "NBACTL_RUN_ID": call.run_id,
        "NBACTL_TASK": call.task,
        "NBACTL_GAME_DATE": call.game_date.isoformat(),
        "NBACTL_ATTEMPT": str(call.attempt),
        "NBACTL_FENCE_TOKEN": str(context.fence.token),
    }


def _rows(line: str) -> int | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        report = json.loads(line)
    except ValueError:
        return None
    rows = report.get("rows")
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 0):
        raise DataError(
            f"the command reported rows as {rows!r}", cause='The report is {"rows": N} with a whole number.'
        )
    return rows
