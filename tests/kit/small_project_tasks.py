"""Tasks for the tests of the operator's screens."""

from __future__ import annotations

import logging

from nbactl.errors import DataError
from nbactl.ports.compute import TaskContext, TaskOutcome

log = logging.getLogger("nbactl.small_project_tasks")


def three_rows(context: TaskContext) -> TaskOutcome:
    log.info("writing", extra={"day": str(context.call.game_date)})
    log.debug("in detail")
    return TaskOutcome(rows=3)


def boom(context: TaskContext) -> TaskOutcome:
    raise DataError(f"{context.call.task} cannot <go> on", cause="It never could.", next_step="Leave it out.")
