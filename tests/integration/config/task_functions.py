"""Functions that configuration files in tests name as `call: tests.integration.config.task_functions:NAME`."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.leases import Leases
from nbactl.errors import UnavailableError
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from nbactl.ports.compute import TaskContext

SEEN: list[Any] = []
"""What the tasks of this process left behind; a test clears it."""

LONG = 20.0
"""Seconds after which a task that waits for something goes on without: longer than any machine is busy."""
GATE = threading.Event()
_gauge = threading.Condition()
_active = 0


def one(_: TaskContext) -> int:
    """Report one row."""
    return 1


def nothing(_: TaskContext) -> int:
    """Report that there was no data."""
    return 0


def refuse(context: TaskContext) -> TaskOutcome:
    """Report rows and refused records."""
    refused = context.parameters["refused"]
    return TaskOutcome(context.parameters["rows"], {"quarantined": refused, "reasons": {"bad_value": refused}})


def remark(context: TaskContext) -> TaskOutcome:
    """Report one row and the sentences of its parameters."""
    return TaskOutcome(1, {name: list(sentences) for name, sentences in context.parameters.items()})


def silent(_: TaskContext) -> None:
    """Report no rows at all."""


def note(context: TaskContext) -> int:
    """Leave the task's name and parameters behind."""
    SEEN.append((context.call.task, dict(context.parameters)))
    return 1


def crowd(context: TaskContext) -> int:
    """Leave behind how many tasks ran together; wait until `company` did at some time, then a little for more."""
    global _active  # noqa: PLW0603 - what is measured is shared by threads
    with _gauge:
        _active += 1
        SEEN.append(_active)
        _gauge.notify_all()
        _gauge.wait_for(lambda: max(SEEN) >= context.parameters["company"], timeout=LONG)
    time.sleep(0.1)
    with _gauge:
        _active -= 1
    return 1


def gate(_: TaskContext) -> int:
    """Go through when the gate is open."""
    GATE.wait(LONG)
    return 1


def opened_gate(_: TaskContext) -> int:
    """Go through when another task opens the gate."""
    if not GATE.wait(LONG):
        raise TimeoutError("nobody opened the gate")
    return 1


def open_gate(_: TaskContext) -> int:
    """Open the gate."""
    GATE.set()
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
    """Leave behind how long the run's lease lives, and by how much it was prolonged within at most `wait` seconds."""
    with closing(SqliteDocuments(Path(context.parameters["store"]), clock=SystemClock(), busy_timeout=5.0)) as store:
        leases = Leases(store, SystemClock(), is_dead=lambda _: False)
        name = f"{context.call.task}/{context.call.game_date}"
        before = after = leases.current(name)
        now = SystemClock().now()
        end = time.monotonic() + context.parameters["wait"]
        while after == before and time.monotonic() < end:
            time.sleep(0.02)
            after = leases.current(name)
    if before is None or after is None:
        raise LookupError(f"there is no lease {name}")
    SEEN.append((before.expires_at - now).total_seconds())
    SEEN.append((after.expires_at - before.expires_at).total_seconds())
    return 1
