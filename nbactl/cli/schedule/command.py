"""The schedule: when workflows are due, and what a tick does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from nbactl.bootstrap.phases import make_phase_recorder
from nbactl.cli.bq.quotas.command import check_quotas
from nbactl.core._support.gamedate import EASTERN
from nbactl.core.alerts import TextChannel
from nbactl.schedule import tick as ticks
from nbactl.schedule.occurrences import timetable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import time

    from nbactl.bootstrap import Container
    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.alerts import Alert
    from nbactl.rollouts.tick import RolloutStep
    from nbactl.schedule.occurrences import TimetableRow
    from nbactl.schedule.tick import TickResult


@dataclass(frozen=True, slots=True)
class Timetable:
    """When each workflow is due on a day. `first_game` is the first tip-off, if it is known."""

    date: GameDate
    first_game: datetime | None
    rows: tuple[TimetableRow, ...]


@dataclass(frozen=True, slots=True)
class TickRequest:
    """What a tick may do. With `at` it decides as of that time, and like `dry_run` it changes nothing."""

    at: datetime | None = None
    dry_run: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Whether it only looks."""
        return self.dry_run or self.at is not None


def show_timetable(app: Container, date: GameDate, first_game: time | None = None) -> Timetable:
    """Return when workflows are due on a calendar day in Eastern time; `first_game` is the first tip-off of the day."""
    tip_off = None if first_game is None else datetime.combine(date.day, first_game, EASTERN)
    return Timetable(date, tip_off, tuple(timetable(app.config.workflows.workflows, date.day, tip_off)))


def tick(
    app: Container, request: TickRequest, *, announce: Callable[[str], None] | None = None
) -> TickResult[RolloutStep]:
    """Decide on rollouts, look at quotas, hand on phases that are due, publish the outbox, load rows, delete old ones.

    `announce` gets the alerts.
    """
    alerts = app.alerts(None if announce is None else TextChannel(announce))

    def send(alert: Alert) -> None:
        alerts.send(alert, ("console", "slack"))

    return ticks.tick(
        app.ticker(send),
        lambda: app.outbox,
        app.sweep_expired,
        lambda: check_quotas(app, send),
        app.clock.now() if request.at is None else request.at,
        flush_rows=app.row_buffer.flush_due,
        sweep_phases=lambda: make_phase_recorder(app, send).sweep(),
        dry_run=request.changes_nothing,
    )
