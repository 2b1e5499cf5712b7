"""The shared options of a call, to be repeated in a command that is printed for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.config.settings import Settings

PLACE = ("target", "project", "region", "config_dir", "state_dir")
"""What says where a command acts."""


def given_options(settings: Settings, names: Iterable[str] = PLACE) -> list[str]:
    """Return those of the options that were given on the command line, as words."""
    given = [name for name in names if settings.origins.get(name) == "flag"]
    return [word for name in given for word in (f"--{name.replace('_', '-')}", str(getattr(settings, name)))]
