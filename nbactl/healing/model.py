"""Faults, their kinds, and what became of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbactl.core._support.gamedate import GameDate
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

CaseState = Literal["planned", "healed", "failed", "waiting", "stopped"]
"""`planned`: it will be repaired now. `healed`: the effect was seen. `failed`: the repair did. `waiting`: a budget is
left, and it is not its turn. `stopped`: nothing tries again."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@frozen
class Fault:
    """Something that did not happen, or is left over. `object` names it within its kind, the same at every look.

    `what` says what is wrong since when, `plan` what the repair does, `by_hand` what a person can do instead.
    `waits_for` is the object that must be healed before.
    """

    kind: str
    object: str
    what: str
    plan: str
    by_hand: str
    game_date: GameDate | None = None
    since: datetime | None = None
    waits_for: str | None = None

    @property
    def name(self) -> str:
        """The kind and the object: `outbox_pending phase3/2025-01-15/1`."""
        return f"{self.kind} {self.object}"


@frozen
class Scope:
    """What is looked at: game dates in order, none of them idle, and `now`. With `only`, nothing but these dates.

    `first` is the oldest date that is looked at, idle or not.
    """

    days: tuple[GameDate, ...]
    now: datetime
    first: GameDate
    only: bool = False

    def has(self, fault: Fault) -> bool:
        """Say whether a fault is within."""
        return not self.only or fault.game_date in self.days


class FaultKind(Protocol):
    """Finds, repairs and verifies one kind of fault. Each may raise what it works with raises."""

    @property
    def name(self) -> str:
        """The name of the kind."""
        ...

    def find(self, scope: Scope) -> Iterable[Fault]:
        """Yield the faults that there are now; changes nothing."""
        ...

    def repair(self, fault: Fault) -> str:
        """Have the owner of the matter repair it, and return what was done. May be called again at any time."""
        ...

    def verify(self, fault: Fault) -> str | None:
        """Return what is seen of the effect in the matter itself, not in the repair's answer; None if nothing is."""
        ...


@frozen
class Case:
    """A fault, what was done about it, and how often. `budget` is how many attempts it has until the final stop.

    `action` is what the repair did, `effect` what was seen of it, `reason` why it is not repaired, or how it failed.
    """

    fault: Fault
    state: CaseState
    attempts: int
    budget: int
    action: str | None = None
    effect: str | None = None
    reason: str | None = None
    next_at: datetime | None = None

    def ended(self, state: CaseState, **changes: object) -> Case:
        """Return the case with its new state."""
        return replace(self, state=state, **changes)  # type: ignore[arg-type]


def date_in(text: str) -> GameDate | None:
    """Return the game date that a name contains, such as `phase3/2025-01-15/1`."""
    match = _DATE.search(text)
    try:
        return None if match is None else GameDate(date.fromisoformat(match[0]))
    except ValueError:
        return None
