"""What an operator can do with a flag: set it to a percentage, switch it on or off, roll it back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.core.flags.model import State
from nbactl.core.flags.snapshot import HASH_VERSION, limit_of
from nbactl.core.flags.store import ANY_VERSION, Change, is_percent
from nbactl.errors import UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.core.flags.model import Definition

ALL: Final = 100.0


@frozen
class Position:
    """How far a flag is rolled out. Not `enabled` is the kill switch: no entity gets it, whatever the environment says.

    A flag that was never set is enabled at 0 %; at 100 % if everybody gets its treatment by default.
    """

    percent: float
    enabled: bool

    def __str__(self) -> str:
        """Return `50 %` or `off`."""
        return f"{self.percent:g} %" if self.enabled else "off"

    @property
    def place(self) -> str:
        """Return `at 50 %` or `off`, for a sentence."""
        return f"at {self}" if self.enabled else "off"

    @property
    def option(self) -> str:
        """The option of `nbactl flags set` that brings a flag here."""
        return f"--percent {self.percent:g}" if self.enabled else "--off"


OFF: Final = Position(0.0, enabled=False)
UNSET: Final = Position(0.0, enabled=True)


UNSET_ON: Final = Position(ALL, enabled=True)


def position_of(state: State | None, definition: Definition | None = None) -> Position:
    """Return the position of a flag; one that was never set is where its definition has it."""
    if state is None:
        return UNSET_ON if definition is not None and definition.is_on_by_default else UNSET
    return Position(state.percent if state.enabled else 0.0, state.enabled)


@frozen
class Move:
    """A change with where it starts; `before` is None if the state cannot be read.

    `settles`: the flag was never set, and is even if it stays where it is.
    """

    key: str
    before: Position | None
    after: Position
    change: Change
    settles: bool = False

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.settles or self.before != self.after


def move(
    key: str,
    state: State | None,
    after: Position,
    *,
    salt: str,
    stages: Sequence[float],
    definition: Definition | None = None,
) -> Move:
    """Return the move of a flag to `after`, if its state has not changed by then.

    `salt` is the definition's; it takes effect while all entities or none are inside, so that none is reshuffled.
    `stages` are the percentages of its rollout plan; `definition` says where the flag is while it was never set.
    """
    inside_some = state is not None and state.enabled and 0 < state.percent < ALL
    change = Change(
        key,
        expected_version=0 if state is None else state.version,
        percent=after.percent,
        enabled=after.enabled,
        salt=state.salt if state is not None and inside_some else salt,
        hash_version=state.hash_version if state is not None and inside_some else HASH_VERSION,
        stage=stages.index(after.percent) + 1 if after.enabled and after.percent in stages else None,
    )
    return Move(key, position_of(state, definition), after, change, settles=state is None)


def roll_back(
    key: str,
    state: State | None,
    to: float | None,
    *,
    salt: str,
    stages: Sequence[float],
    definition: Definition | None = None,
) -> Move:
    """Return the move down to `to` percent, or off if that is None; never a move up.

    Off holds whatever changed in between; a percentage could become a move up, so it is refused then.
    """
    before = position_of(state)
    if to is None:
        off = move(key, state, OFF, salt=salt, stages=stages, definition=definition)
        return replace(off, change=replace(off.change, expected_version=ANY_VERSION))
    down = Position(to, enabled=True)
    stays = not before.enabled or before.percent <= to
    planned = move(key, state, before if stays else down, salt=salt, stages=stages)
    return replace(planned, settles=planned.settles and not stays)


def repair(key: str, *, salt: str) -> Move:
    """Return the move that switches a flag off whose state cannot be read."""
    change = Change(key, ANY_VERSION, OFF.percent, OFF.enabled, salt=salt, hash_version=HASH_VERSION, stage=None)
    return Move(key, None, OFF, change)


def expected(change: Change, now: datetime) -> State:
    """Return the state that a change would lead to, for trying out."""
    return State(
        percent=change.percent,
        enabled=change.enabled,
        salt=change.salt,
        hash_version=change.hash_version,
        stage=change.stage,
        entered_stage_at=now,
        version=change.expected_version + 1,
        updated_at=now,
        updated_by="",
        reason=None,
    )


def parse_percent(text: str) -> float:
    """Return a percentage such as `50`, `12.5` or `33.333%`. Raises UsageError."""
    try:
        percent = float(text.removesuffix("%").strip())
    except ValueError:
        percent = math.nan
    if not is_percent(percent):
        raise UsageError(f"'{text}' is not a percentage", next_step="Give a number from 0 to 100, such as 50 or 12.5.")
    if abs(percent - (exact := limit_of(percent) / limit_of(1))) > 1e-9:  # noqa: PLR2004 - a float's own error
        raise UsageError(
            f"'{text}' is finer than the steps of 0.001 %",
            cause="There are 100,000 buckets, and an entity is in one of them.",
            next_step=f"Give {exact:g}.",
        )
    return exact
