"""How far the runs of a date range are."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nbactl.cli.run.text import FINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.model import RunEvent, RunPlan, RunRecord


class RangeTally:
    """What has become of the runs that a request has planned, in their order."""

    def __init__(self, plans: Sequence[RunPlan]) -> None:
        planned = [plan for plan in plans if plan.tasks]
        self.total = len(planned)
        self.running: dict[tuple[str, GameDate], RunRecord] = {}
        self.unsuccessful: list[RunRecord] = []
        self._order = {(plan.name, plan.game_date): number for number, plan in enumerate(planned)}
        self._open = {(plan.name, plan.game_date) for plan in planned if plan.skip_reason is None}
        self._began: datetime | None = None
        self._took: defaultdict[str, list[float]] = defaultdict(list)

    @property
    def done(self) -> int:
        """How many runs are over, those included that had nothing to do."""
        return self.total - len(self._open)

    def note(self, event: RunEvent) -> None:
        """Take an event into account."""
        run, key = event.run, (event.run.name, event.run.game_date)
        if event.kind == "run_finished":
            self.running.pop(key, None)
            self._open.discard(key)
            self._took[run.name].append(((run.finished_at or run.started_at) - run.started_at).total_seconds())
            if run.status not in FINE:
                self.unsuccessful.append(run)
            return
        if key not in self.running and (turn := self._order.get(key)) is not None:
            # Runs that turn out to have nothing to do are passed over without an event.
            first = min([turn, *(self._order.get(other, turn) for other in self.running)])
            self._open = {other for other in self._open if self._order[other] >= first}
        self._began = self._began or run.started_at
        self.running[key] = run

    def seconds_left(self, now: datetime) -> float | None:
        """Return about how long it will take: as long for each run as those of its name took; None at first."""
        known = sum(map(sum, self._took.values()))
        if self._began is None or not known:
            return None
        finished = sum(map(len, self._took.values()))
        mean = {name: sum(took) / len(took) for name, took in self._took.items()}
        left = sum(mean.get(name, known / finished) for name, _ in self._open)
        # Runs may overlap, and there is time between them.
        return left * (now - self._began).total_seconds() / known
