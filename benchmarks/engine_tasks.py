"""The tasks that the engine is measured with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from nbactl.ports.compute import TaskContext


async def work(context: TaskContext) -> TaskOutcome:
    """Wait as long as the parameter says, which may be not at all."""
    if seconds := context.parameters["seconds"]:
        await asyncio.sleep(seconds)
    return TaskOutcome(rows=None)
