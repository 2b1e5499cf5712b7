"""The flags at one moment: definitions, stored states and environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.checks.flags import is_stale
from nbactl.core._support.gamedate import EASTERN
from nbactl.core.flags.moves import Move, Position, expected, move, position_of
from nbactl.core.flags.snapshot import CompiledFlags, compile_flags
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.bootstrap import Container
    from nbactl.config.flags import Flag, FlagsFile
    from nbactl.core.flags.model import FlagValue, State
    from nbactl.core.flags.store import FlagStore, Stored


@dataclass(frozen=True, slots=True)
class FlagLine:
    """One flag as `flags list` has it; without percent and enabled if its state cannot be read."""

    key: str
    type: str
    percent: float | None
    enabled: bool | None
    stage: int | None
    env_override: FlagValue | None
    updated_at: datetime | None
    updated_by: str | None
    reason: str | None
    stale: bool


@dataclass(frozen=True, slots=True)
class FlagsSnapshot:
    """The flags as they are now. `stale_after` is in seconds."""

    file: FlagsFile
    stored: Stored
    compiled: CompiledFlags
    store: FlagStore
    environ: Mapping[str, str]
    now: datetime
    stale_after: float

    @property
    def today(self) -> date:
        """The day in Eastern time."""
        return self.now.astimezone(EASTERN).date()

    def flag(self, key: str) -> Flag:
        """Return a declared flag. Raises NotFoundError with the name that was probably meant."""
        return self.file.flag(key)

    def chosen(self, keys: Iterable[str]) -> list[str]:
        """Return the flags named, else those under rollout.active. Raises NotFoundError or UsageError."""
        named = list(dict.fromkeys(keys))
        for key in named:
            self.flag(key)
        return named or list(active_flags(self.file))

    def state(self, key: str) -> State | None:
        """Return the state of a flag. Raises DataError if it cannot be read."""
        return self.store.get(key) if key in self.stored.unreadable else self.stored.states.get(key)

    def position(self, key: str) -> Position | None:
        """Return how far a flag is rolled out, None if its state cannot be read."""
        if key in self.stored.unreadable:
            return None
        return position_of(self.stored.states.get(key), self.flag(key).definition(key))

    def move(self, key: str, to: Position) -> Move:
        """Return the move of a flag to a position."""
        flag, stages = self.flag(key), self.file.stages_of(key)
        return move(key, self.state(key), to, salt=flag.salt, stages=stages, definition=flag.definition(key))

    def after(self, moves: Sequence[Move]) -> Mapping[str, State]:
        """Return the states as they would be after the moves."""
        moved = {planned.key: expected(planned.change, self.now) for planned in moves}
        return {**self.stored.states, **moved}

    def line(self, key: str) -> FlagLine:
        """Return the line of a flag."""
        flag, state, here = self.flag(key), self.stored.states.get(key), self.position(key)
        return FlagLine(
            key=key,
            type=flag.type,
            percent=None if here is None else here.percent,
            enabled=None if here is None else here.enabled,
            stage=None if state is None else state.stage,
            env_override=self.compiled.overrides.get(key),
            updated_at=None if state is None else state.updated_at,
            updated_by=None if state is None else state.updated_by,
            reason=None if state is None else state.reason,
            stale=is_stale(flag, state, self.now, self.today, self.stale_after) is not None,
        )


def load_flags(app: Container) -> FlagsSnapshot:
    """Read everything once. Raises ConfigError, or UnavailableError if the store does not answer."""
    file, stored = app.config.flags, app.flag_store.read()
    problems = tuple(stored.unreadable.values())
    return FlagsSnapshot(
        file=file,
        stored=stored,
        compiled=compile_flags(file.definitions(), stored.states, app.environ, problems=problems),
        store=app.flag_store,
        environ=app.environ,
        now=app.clock.now(),
        stale_after=app.config.timeouts["flags.stale"],
    )


def active_flags(file: FlagsFile) -> tuple[str, ...]:
    """Return the flags under rollout.active. Raises UsageError if there are none."""
    if not file.rollout.active:
        raise UsageError(
            "no flag is named, and rollout.active is empty",
            cause="Without a name the command works on the flags under rollout.active in flags.yaml.",
            next_step="Name a flag (`nbactl flags list` shows them), or add it to rollout.active.",
        )
    return file.rollout.active
