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


TOKEN = "ghp_" + "0123456789abcdefghij"


def leak(context: TaskContext) -> TaskOutcome:
    log.error("calling https://user:%s@stats.example/x", TOKEN)
    raise DataError(
        f"\x1b[2J{context.call.task} was refused with {TOKEN}", cause=f"Bearer {TOKEN}", next_step=f"Renew {TOKEN}."
    )


def careless(context: TaskContext) -> TaskOutcome:
    log.warning("\x1b[2J%s saw %s", context.call.task, TOKEN, extra={"header": {"authorization": TOKEN}, "note": TOKEN})
    return TaskOutcome(rows=3, detail={"token": TOKEN, "urls": [f"https://x:{TOKEN}@y/"], "reason": f"\x1b[2J{TOKEN}"})
