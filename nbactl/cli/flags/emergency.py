"""What `nbactl flags rollback` works with when flags.yaml cannot be read, or the store does not answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbactl.cli.flags.snapshot import active_flags
from nbactl.config.flags import unknown_flag
from nbactl.core.flags.moves import repair, roll_back
from nbactl.core.flags.snapshot import as_text
from nbactl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from contextlib import ExitStack

    from nbactl.bootstrap import Container
    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags.moves import Move
    from nbactl.core.flags.store import Stored


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Which flags to take back, off or down to `percent`; `every` means all that are declared or in the store."""

    keys: tuple[str, ...] = ()
    every: bool = False
    percent: float | None = None
    reason: str | None = None
    dry_run: bool = False

    def check(self) -> None:
        """Raise UsageError for names together with `every`."""
        if self.keys and self.every:
            raise UsageError("--all cannot be combined with flag names", next_step="Give names, or --all.")


@dataclass(frozen=True, slots=True)
class EmergencyContext:
    """What a rollback works with. `file` is None if flags.yaml cannot be read; `shipped` is then the packaged one."""

    app: Container
    file: FlagsFile | None
    shipped: FlagsFile
    warnings: tuple[str, ...]

    def chosen(self, stored: Stored, request: RollbackRequest) -> list[str]:
        """Return the flags to take back. Raises NotFoundError or UsageError."""
        declared = {} if self.file is None else self.file.flags
        known = dict.fromkeys([*declared, *stored.states, *stored.unreadable])
        if request.every:
            return list(known)
        for key in request.keys:
            if key not in known:
                raise unknown_flag(key, known)
        if not request.keys and self.file is None:
            raise UsageError("no flag is named, and flags.yaml cannot be read", next_step="Name flags, or give --all.")
        return list(dict.fromkeys(request.keys)) or list(active_flags(self.file or self.shipped))

    def move(self, key: str, stored: Stored, percent: float | None) -> Move:
        """Return the move of a flag off, or down to `percent`."""
        state, declared = stored.states.get(key), None if self.file is None else self.file.flags.get(key)
        salt = declared.salt if declared is not None else key if state is None else state.salt
        if key in stored.unreadable:
            return repair(key, salt=salt)
        stages = [] if self.file is None or declared is None else self.file.stages_of(key)
        definition = None if declared is None else declared.definition(key)
        return roll_back(key, state, percent, salt=salt, stages=stages, definition=definition)

    def variables(self, request: RollbackRequest) -> dict[str, str]:
        """Return the variables that switch the flags off, with their values. Raises NotFoundError or UsageError."""
        file = self.file or self.shipped
        for key in request.keys:
            file.flag(key)
        keys = list(file.flags) if request.every else list(dict.fromkeys(request.keys or active_flags(file)))
        return {file.flags[key].env: as_text(file.flags[key].default) for key in keys}


def open_emergency(app: Container, stack: ExitStack) -> EmergencyContext:
    """Return the context with the operator's files, or with those of the package if they cannot be read."""
    try:
        return EmergencyContext(app, app.config.flags, app.config.flags, ())
    except ConfigError as error:
        from nbactl.bootstrap import Container  # noqa: PLC0415 - seldom needed
        from nbactl.config.loader import shipped_config_dir  # noqa: PLC0415
        from nbactl.config.overrides import without_overrides  # noqa: PLC0415

        warning = f"{error.message}; flags that only flags.yaml declares are not known"
        shipped = replace(app.settings, config_dir=shipped_config_dir())
        instead = stack.enter_context(Container(shipped, environ=without_overrides(app.environ)))
        return EmergencyContext(instead, None, instead.config.flags, (warning,))
