"""The mode of a game date, and what is expected of a phase in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.gamedate import GameDate
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

Mode = Literal["overnight", "same_day", "tomorrow"]
MODES: Final[tuple[Mode, ...]] = ("overnight", "same_day", "tomorrow")


def mode_of(game_date: GameDate, now: datetime) -> Mode:
    """Return the mode in which a game date is worked on at an instant: before, on or after its day in New York."""
    today = GameDate.of(now)
    if game_date < today:
        return "overnight"
    return "same_day" if game_date == today else "tomorrow"


@frozen
class Tier:
    """From `after` seconds since the first completion, `at_least` names are enough to go on."""

    after: float
    at_least: int


@frozen
class ExpectedSet:
    """The names that are to report in one mode. Both together are expected; without a critical one nothing goes on."""

    critical: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is expected."""
        return (*self.critical, *self.optional)


@frozen
class HandOff:
    """When a phase leads to the next one: with all critical names and `majority` of the expected ones, or by tiers.

    `majority` is a share from 0 to 1. Until `majority_after` seconds since the first completion, names that have not
    reported are waited for. With tiers all expected names are needed at first. With `all_reported` each optional name
    must be done, or have reported that it will not be.
    """

    majority: float = 0.0
    majority_after: float = 0.0
    tiers: tuple[Tier, ...] = ()
    all_reported: bool = False

    def reason(
        self, expected: ExpectedSet, done: Collection[str], waited: float | None, ended: Collection[str] = ()
    ) -> str | None:
        """Return why the phase may lead to the next one, None if it may not yet (invariant 9: sets, not counts).

        `waited` is seconds since the first completion, None if nothing has completed. `ended` are the names that
        reported an end that does not count, such as a failure.
        """
        missing = [name for name in expected.names if name not in done]
        if not expected.names or any(name not in done for name in expected.critical):
            return None
        if not missing:
            return "all_complete"
        there = len(expected.names) - len(missing)
        if self.tiers:
            reached = [tier for tier in self.tiers if waited is not None and waited >= tier.after]
            enough = min((tier.at_least for tier in reached), default=len(expected.names))
            return f"deadline_with_{there}_of_{len(expected.names)}" if there >= enough else None
        early = waited is not None and waited < self.majority_after
        if (self.all_reported or early) and not set(missing) <= set(ended):
            return None
        share = there / len(expected.names)
        return f"critical_plus_majority_{int(share * 100)}pct" if share >= self.majority else None

    def next_tier(self, waited: float) -> Tier | None:
        """Return the tier that is reached next."""
        return min((tier for tier in self.tiers if tier.after > waited), key=lambda tier: tier.after, default=None)


@frozen
class PhaseExpectation:
    """What is expected of a phase: a set for each mode, and when it leads to the next phase."""

    phase: str
    by_mode: Mapping[Mode, ExpectedSet]
    hand_off: HandOff = HandOff()
    declared: bool = True
    """Whether it was declared; otherwise the phase's tasks stand for it."""
    tasks: frozenset[str] = frozenset()
    """The phase's tasks: a service that nbactl calls reports under their names, expected or not."""
    no_data_ok: frozenset[str] = frozenset()
    """The tasks whose status `no_data` counts."""
    batch: bool = False
    """Whether the phase is a batch of players, which counts from a share of them on."""

    @property
    def names(self) -> frozenset[str]:
        """The names that are expected in any mode."""
        return frozenset(name for expected in self.by_mode.values() for name in expected.names)

    @property
    def known(self) -> frozenset[str]:
        """The names that may report: those that are expected in any mode, and tasks."""
        return self.names | self.tasks

    def of(self, mode: Mode) -> ExpectedSet:
        """Return the set of a mode; empty if none is declared."""
        return self.by_mode.get(mode, ExpectedSet())
