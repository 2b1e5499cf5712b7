"""The options of a call that a command printed for later has to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.config.settings import Settings

PLACE_OPTIONS: Final = ("target", "project", "region", "location", "config_dir", "state_dir")
"""The shared options that say where a command acts."""
_TO_REPEAT: Final = ("flag", "last run")
"""The origins of these: `run` itself does not follow the source of the last run."""


def given_options(settings: Settings, names: Iterable[str] = PLACE_OPTIONS) -> list[str]:
    """Return those of the options that were given on the command line, or taken from the ledger, as words."""
    given = [name for name in names if settings.origins.get(name) in _TO_REPEAT]
    return [word for name in given for word in (f"--{name.replace('_', '-')}", str(getattr(settings, name)))]
