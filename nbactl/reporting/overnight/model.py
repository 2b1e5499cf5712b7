"""The records of a validated night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbactl.frozen import frozen
from nbactl.outputs.model import WRONG, OutputState

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.idle import Idle
    from nbactl.outputs.model import Output

By = Literal["nbactl", "production"]
NOT_THERE = (*WRONG, OutputState.EXPECTED)


@frozen
class Session:
    """A phase of a date as it was done once. `complete`: what is critical was done.

    `fallback` says with what less than everything it went on, None if with everything.
    """

    phase: str
    game_date: GameDate
    started_at: datetime
    ended_at: datetime | None
    complete: bool
    by: By
    run_id: str | None = None
    fallback: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.ended_at is None else max(0.0, (self.ended_at - self.started_at).total_seconds())


@frozen
class PhaseNight:
    """A phase in the night. `session` is None if nobody recorded one. `waited` is seconds since what it needs ended.

    `required` are its required outputs; `rows` counts what its outputs have. `fallback` says with what less than
    everything it was done.
    """

    name: str
    due_at: datetime | None
    session: Session | None
    required: tuple[Output, ...]
    rows: int | None
    waited: float | None = None
    fallback: str | None = None

    @property
    def missing(self) -> tuple[Output, ...]:
        """The required outputs that are not there."""
        return tuple(output for output in self.required if output.state in NOT_THERE)

    @property
    def late(self) -> float | None:
        """By how many seconds it ended too late, None if it did not, or if nobody can say."""
        ended = None if self.session is None else self.session.ended_at
        if self.due_at is None or ended is None or ended <= self.due_at:
            return None
        return (ended - self.due_at).total_seconds()


@frozen
class Check:
    """A check of the night. `ok` is None where there was nothing to judge by, or not yet."""

    name: str
    detail: str
    ok: bool | None


@frozen
class Timing:
    """How long a phase, or the whole cascade, took in seconds: this night, and the nights before.

    `slow`: more than half again as long as 95 of 100 nights.
    """

    name: str
    nights: int
    median: float | None
    p95: float | None
    this_night: float | None
    slow: bool


@frozen
class OvernightReport:
    """A validated night. `idle` says why nothing was expected of it. `warnings` say what could not be looked at."""

    game_date: GameDate
    phases: tuple[PhaseNight, ...]
    checks: tuple[Check, ...]
    timing: tuple[Timing, ...]
    idle: Idle | None = None
    warnings: tuple[str, ...] = ()

    @property
    def seen(self) -> bool:
        """Whether there was anything to look at."""
        return self.idle is not None or any(check.ok is not None for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether no check failed, of those that could be made."""
        return self.seen and all(check.ok is not False for check in self.checks)
