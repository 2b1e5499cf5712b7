"""The grid of expected outputs: one row per date, phase and output."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.idle import Idle


class OutputState(StrEnum):
    """The state of an expected output."""

    EXPECTED = "EXPECTED"
    """Not there, and not due yet."""
    COMPLETE = "COMPLETE"
    EMPTY_OK = "EMPTY_OK"
    """Without rows, and the source proves that there are none."""
    PARTIAL = "PARTIAL"
    """There, with fewer games or players than the date has."""
    STALE = "STALE"
    """There, and made of data that have changed since."""
    MISSING = "MISSING"
    FAILED = "FAILED"
    LATE = "LATE"
    """Not there and overdue, while something is still working on it."""


GAPS = (OutputState.MISSING, OutputState.FAILED, OutputState.PARTIAL, OutputState.STALE)
"""What a run can mend."""
WRONG = (OutputState.MISSING, OutputState.FAILED, OutputState.LATE)


@frozen
class Output:
    """An expected output: what a task of a phase makes for a date.

    `rows` is what is there, `expected` what the games or players of the date ask for (None where nothing can be said).
    `made_at` is when it was finished; `by` names the run, or the program that made it. `required` outputs count.
    """

    game_date: GameDate
    phase: str
    name: str
    state: OutputState
    required: bool
    due_at: datetime | None = None
    made_at: datetime | None = None
    by: str | None = None
    run_id: str | None = None
    rows: int | None = None
    expected: int | None = None
    unit: str | None = None
    """What is counted: games, teams or players."""
    reason: str | None = None

    @property
    def on_time(self) -> bool:
        """Whether it is there, and was finished before it was due."""
        there = self.state in (OutputState.COMPLETE, OutputState.EMPTY_OK)
        return there and (self.due_at is None or self.made_at is None or self.made_at <= self.due_at)


@frozen
class Grid:
    """The outputs of a range of dates, in the order of dates, phases and tasks.

    `idle` has the dates of which nothing is expected. `warnings` say what could not be looked at.
    """

    outputs: tuple[Output, ...]
    idle: Mapping[GameDate, Idle]
    now: datetime
    warnings: tuple[str, ...] = ()
    unknown: tuple[GameDate, ...] = ()
    """Dates that were left out: the schedule does not cover them, and there is nothing of them."""
    unchecked: bool = False
    """Whether something could not be looked at, such as the rows of the warehouse; `warnings` have it."""

    @property
    def summary(self) -> dict[str, int]:
        """How many outputs are in each state."""
        counts = Counter(output.state for output in self.outputs)
        return {state.value: counts[state] for state in OutputState}

    @property
    def wrong(self) -> tuple[Output, ...]:
        """The required outputs that are missing, failed or late."""
        return tuple(output for output in self.outputs if output.required and output.state in WRONG)

    @property
    def gaps(self) -> tuple[Output, ...]:
        """The outputs that a run can mend, required or not."""
        return tuple(output for output in self.outputs if output.state in GAPS)
