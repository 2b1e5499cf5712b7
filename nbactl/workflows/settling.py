"""When a game date is settled: what was computed of it before that may be out of date."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import EASTERN
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.model import TaskRecord


@frozen
class Settling:
    """Tells what was done in time. A date is settled `after` seconds from its midnight, Eastern time."""

    clock: Clock
    after: float

    def is_over(self, date: GameDate) -> bool:
        """Say whether the date is settled by now."""
        return self._settled_by(self.clock.now(), date)

    def is_final(self, task: TaskRecord, date: GameDate) -> bool:
        """Say whether the task was begun when its date was settled."""
        return task.started_at is not None and self._settled_by(task.started_at, date)

    def _settled_by(self, instant: datetime, date: GameDate) -> bool:
        return instant >= datetime.combine(date.day, time(), EASTERN) + timedelta(seconds=self.after)
