"""What the verbs work with: definitions, states and the environment of one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbactl.checks.flags import is_stale
from nbactl.cli.app import container, session
from nbactl.core._support.gamedate import EASTERN
from nbactl.core._support.names import did_you_mean
from nbactl.core.flags.moves import Move, Position, expected, move, position_of
from nbactl.core.flags.snapshot import CompiledFlags, compile_flags
from nbactl.core.flags.store import Stored
from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    import typer

    from nbactl.config.flags import Flag, FlagsFile
    from nbactl.core.flags.model import FlagValue, State
    from nbactl.core.flags.store import FlagStore


@dataclass(frozen=True, slots=True)
class Desk:
    """The flags as they are now. `stale_after` is in seconds."""

    file: FlagsFile
    stored: Stored
    snapshot: CompiledFlags
    store: FlagStore
    environ: Mapping[str, str]
    now: datetime
    stale_after: float

    @property
    def today(self) -> date:
        """The day in Eastern time."""
        return self.now.astimezone(EASTERN).date()

    def flag(self, key: str) -> Flag:
        """Return a declared flag. Raises NotFoundError with what was probably meant."""
        if key not in self.file.flags:
            raise unknown_flag(key, self.file.flags)
        return self.file.flags[key]

    def chosen(self, keys: Sequence[str] | None) -> list[str]:
        """Return the flags named, else those that are being rolled out. Raises NotFoundError or UsageError."""
        for key in keys or ():
            self.flag(key)
        return list(dict.fromkeys(keys or rolled_out(self.file)))

    def state(self, key: str) -> State | None:
        """Return where a flag stands. Raises DataError if that cannot be read."""
        return self.store.get(key) if key in self.stored.unreadable else self.stored.states.get(key)

    def move(self, key: str, after: Position) -> Move:
        """Return the move of a flag to `after`."""
        return move(key, self.state(key), after, salt=self.flag(key).salt, stages=stages_of(self.file, key))

    def after(self, moves: Sequence[Move]) -> Stored:
        """Return the states as they would be after the moves."""
        return Stored({**self.stored.states, **{each.key: expected(each.change, self.now) for each in moves}})

    def override(self, key: str) -> FlagValue | None:
        """Return what the environment of this process says of a flag."""
        return self.snapshot.overrides.get(key)

    def line(self, key: str) -> dict[str, Any]:
        """Return a flag as `flags list -o json` has it; without percent and enabled if its state cannot be read."""
        flag, state = self.flag(key), self.stored.states.get(key)
        here = None if key in self.stored.unreadable else position_of(state)
        return {
            "key": key,
            "type": flag.type,
            "percent": None if here is None else here.percent,
            "enabled": None if here is None else here.enabled,
            "stage": None if state is None else state.stage,
            "env_override": self.override(key),
            "updated_at": None if state is None else state.updated_at,
            "updated_by": None if state is None else state.updated_by,
            "reason": None if state is None else state.reason,
            "stale": is_stale(flag, state, self.now, self.today, self.stale_after) is not None,
        }


def open_desk(ctx: typer.Context, *, reads_only: bool = False) -> Desk:
    """Read everything once. Raises ConfigError, or UnavailableError if the store does not answer."""
    services, environ = container(ctx, reads_only=reads_only), session(ctx).environ
    file, stored = services.config.flags, services.flag_store.read()
    return Desk(
        file=file,
        stored=stored,
        snapshot=compile_flags(file.definitions(), stored.states, environ, problems=tuple(stored.unreadable.values())),
        store=services.flag_store,
        environ=environ,
        now=services.clock.now(),
        stale_after=services.config.timeouts["flags.stale"],
    )


def stages_of(file: FlagsFile, key: str) -> list[float]:
    """Return the percentages of a flag's rollout plan."""
    return [stage.percent for stage in file.rollout.plans[file.flags[key].rollout].stages]


def rolled_out(file: FlagsFile) -> tuple[str, ...]:
    """Return the flags that are being rolled out. Raises UsageError if there are none."""
    if not file.rollout.active:
        raise UsageError(
            "No flag is named, and none is being rolled out",
            cause="Without a name the flags under rollout.active in flags.yaml are meant, and there are none.",
            next_step="Name a flag (`nbactl flags list` has them), or put it under rollout.active.",
        )
    return file.rollout.active


def unknown_flag(key: str, known: Mapping[str, Any]) -> NotFoundError:
    """Return the error for a flag that is not declared."""
    return NotFoundError(f"there is no flag '{key}' in flags.yaml", next_step=did_you_mean(key, known))
