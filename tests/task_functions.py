"""Functions that configuration files in tests name as `call: tests.task_functions:NAME`."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core.clock import SystemClock
from nbactl.core.lease import Leases
from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from nbactl.ports.compute import TaskContext

SEEN: list[Any] = []
"""What the tasks of this process left behind; a test clears it."""

_gauge = threading.Condition()
_active = 0


def one(_: TaskContext) -> int:
    """Report one row."""
    return 1


def nothing(_: TaskContext) -> int:
    """Report that there was no data."""
    return 0


def silent(_: TaskContext) -> None:
    """Report no rows at all."""


def note(context: TaskContext) -> int:
    """Leave the task's name and parameters behind."""
    SEEN.append((context.call.task, dict(context.parameters)))
    return 1


def crowd(_: TaskContext) -> int:
    """Leave behind how many tasks ran together, having waited a little for company."""
    global _active  # noqa: PLW0603 - what is measured is shared by threads
    with _gauge:
        _active += 1
        SEEN.append(_active)
        _gauge.notify_all()
        _gauge.wait(timeout=0.1)
    time.sleep(0.1)
    with _gauge:
        _active -= 1
    return 1


def slow(context: TaskContext) -> int:
    """Take `seconds`."""
    time.sleep(context.parameters["seconds"])
    return 1


def fail(_: TaskContext) -> int:
    """Fail for good."""
    raise ValueError("told to fail")


def flaky(context: TaskContext) -> int:
    """Fail as if a backend were away, until the last of `tries`."""
    SEEN.append(time.monotonic())
    if context.call.attempt < context.parameters["tries"]:
        raise UnavailableError("away")
    return 1


def process(context: TaskContext) -> int:
    """Write the id of this process into `file`."""
    Path(context.parameters["file"]).write_text(str(os.getpid()))
    return 1


def lease(context: TaskContext) -> int:
    """Leave behind how long the run's lease lives, and by how much that was moved while this task waits."""
    with closing(SqliteDocuments(Path(context.parameters["store"]), clock=SystemClock(), busy_timeout=5.0)) as store:
        leases = Leases(store, SystemClock(), is_dead=lambda _: False)
        name = f"{context.call.task}/{context.call.game_date}"
        before = leases.current(name)
        time.sleep(context.parameters["wait"])
        after = leases.current(name)
    if before is None or after is None:
        raise LookupError(f"there is no lease {name}")
    SEEN.append((before.expires_at - SystemClock().now()).total_seconds() + context.parameters["wait"])
    SEEN.append((after.expires_at - before.expires_at).total_seconds())
    return 1
