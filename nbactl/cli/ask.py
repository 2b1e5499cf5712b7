"""Who runs a command, and their consent before something is changed that others use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.app import console, settings
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer

    from nbactl.config.settings import Settings


def operator() -> str:
    """Return `user@host`; a user without a name is shown by number."""
    import getpass  # noqa: PLC0415 - few commands ask
    import os  # noqa: PLC0415
    import socket  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


PLACE = ("target", "project", "region", "config_dir", "state_dir")
"""What says where a command acts."""


def given_options(settings: Settings, names: Iterable[str] = PLACE) -> list[str]:
    """Return those of the options that were given on the command line, as words."""
    given = [name for name in names if settings.origins.get(name) == "flag"]
    return [word for name in given for word in (f"--{name.replace('_', '-')}", str(getattr(settings, name)))]


def consent(ctx: typer.Context, question: str, *, always: bool = False) -> None:
    """Ask on gcp, and everywhere if `always`. Raises NbactlError if the answer is no, UsageError if nobody is there."""
    given = settings(ctx)
    where = f" on {given.target} ({given.project})" if given.target == "gcp" else ""
    if (always or given.target == "gcp") and not console(ctx).confirm(question.replace("?", f"{where}?", 1)):
        raise NbactlError("nothing was changed", cause="The answer was no.")
