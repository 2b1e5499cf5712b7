"""How a game date ends whose phases hand on to each other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from nbactl.bootstrap.container import Container
    from nbactl.core._support.gamedate import GameDate

_ENDED: Final = ("success", "partial", "no_data")
"""The states of a task that has done its work."""


def date_end(app: Container, day: GameDate) -> tuple[Literal["done", "failed"], str] | None:
    """Return how a date ended, None if it has not: when its last phase has, or when a phase cannot lead to the next.

    That a required task failed counts once nothing was reported for a while, because it may be tried again.
    """
    from nbactl.core.phases.documents import read_phases
    from nbactl.workflows.units import phase_order

    phases = app.config.workflows.phases
    order = phase_order(app.config.workflows)[1:]  # what is collected is announced, and has no document
    tasks = {name: [use.task for use in phases[name].tasks] for name in order}
    found = read_phases(app.documents, tasks, [day])
    quiet_since = app.clock.now() - timedelta(seconds=app.config.timeouts["up.settled"])
    for name in order:
        document = found[name, day]
        reports = document.processors
        if document.triggered or any(task not in reports for task in tasks[name]):
            continue
        required = [use.task for use in phases[name].tasks if use.required]
        failed = [task for task in required if reports[task].status not in _ENDED]
        if not failed and name == order[-1]:
            return "done", f"{name} of {day} has ended"
        if failed and document.last_update is not None and document.last_update < quiet_since:
            return "failed", f"{name} of {day}: {', '.join(failed)} failed"
    return None
