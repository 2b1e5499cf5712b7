"""What decisions of the schedule are made from, in memory: games, idle dates, runs and decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.ports.calendar import GameDay, KnownGames
from nbactl.schedule.decide import Decision, Facts, Known, LastRun, decide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.config.workflows import Workflow
    from nbactl.core.season.idle import Idle

HOUR = 3600.0


def eastern(day: date, at: str) -> datetime:
    """Return an instant by its Eastern wall-clock time."""
    return datetime.combine(day, time.fromisoformat(at), EASTERN).astimezone(UTC)


def game_day(day: date, first: str = "19:00", last: str = "22:30") -> GameDay:
    """Return a date with games that begin from `first` to `last`, Eastern time."""
    return GameDay(day, 2, first_tip_off=eastern(day, first), last_tip_off=eastern(day, last))


@dataclass
class World:
    """Facts for decisions, to be changed by a test."""

    games: dict[date, GameDay] = field(default_factory=dict)
    unknown: frozenset[date] = frozenset()
    as_of: datetime | None = None
    idle: dict[GameDate, Idle] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    runs: dict[tuple[str, GameDate], LastRun] = field(default_factory=dict)
    since: datetime | None = None
    tolerance: float = HOUR / 2

    def last(self, workflow: str, game_date: GameDate) -> LastRun | None:
        """Return the newest run of a workflow and game date."""
        return self.runs.get((workflow, game_date))

    def facts(self, now: datetime) -> Facts:
        """Return what is known now."""
        known = Known(KnownGames(self.games, self.unknown, self.as_of), self.since or now, self.tolerance)
        return Facts(known, self.idle, frozenset(self.decided), self, 36 * HOUR)

    def decide(self, name: str, workflow: Workflow, now: datetime) -> list[Decision]:
        """Return what is decided about a workflow."""
        return decide(name, workflow, now, self.facts(now))

    def outcome(self, name: str, workflow: Workflow, now: datetime) -> tuple[str, str]:
        """Return the one decision about a workflow: what is done and the kind of its reason."""
        [only] = self.decide(name, workflow, now)
        return only.action.value, only.why


def days(first: date, count: int) -> Iterable[date]:
    """Yield dates from the first one on."""
    return (first + timedelta(days=offset) for offset in range(count))
