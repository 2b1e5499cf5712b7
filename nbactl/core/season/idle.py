"""Why nothing is expected of a date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate

IdleKind = Literal["no_games", "break", "off_season", "halted"]


@frozen
class Idle:
    """Why nothing is expected of a date. `until` is the last idle date, where it is known."""

    kind: IdleKind
    reason: str
    until: GameDate | None = None


class IdleDates(Protocol):
    """Says of which dates nothing is expected: nothing is run for them, nothing is missing, nothing alerts."""

    def idle(self, days: Sequence[GameDate]) -> Mapping[GameDate, Idle]:
        """Return those of `days` on which nothing is expected, and why. A date whose games are unknown is not idle."""
        ...
