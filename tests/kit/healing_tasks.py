"""Tasks that do as the environment says."""

from __future__ import annotations

import os
from pathlib import Path

from nbactl.errors import UnavailableError
from nbactl.ports.compute import TaskContext, TaskOutcome


def writes(context: TaskContext) -> TaskOutcome:
    """Write three rows, and note it in the file NBA_HEALING_LOG; fail where the file beside it says so."""
    log = Path(os.environ["NBA_HEALING_LOG"])
    if log.with_suffix(f".{context.call.task}").exists():
        raise UnavailableError("the source is down")
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{context.call.task}\n")
    return TaskOutcome(rows=3)
