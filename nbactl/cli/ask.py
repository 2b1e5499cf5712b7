"""Who runs a command, and their consent before something is changed that others use."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from nbactl.cli.app import console, session, settings
from nbactl.config.given import given_options
from nbactl.errors import CancelledError
from nbactl.frozen import frozen

if TYPE_CHECKING:
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


@frozen
class Question:
    """What a command asks before it acts.

    `text` ends with its question mark, before which the target and its project are named; `lines` are shown before it,
    and `then` after it. Text and lines say what is touched. Without `always` it is asked on gcp only.
    """

    text: str
    lines: tuple[str, ...] = ()
    always: bool = False
    then: str = ""
    never: bool = False
    """It is done without asking, and only entered in the audit trail."""

    def at(self, where: str) -> str:
        """Return the question as it is asked."""
        return f"{self.text.removesuffix('?')} on {where}?{f' {self.then}' if self.then else ''}"


Confirm = Callable[[Question], None]
"""Asks; returns if the answer is yes. Raises CancelledError if it is no, UsageError if there is no one to ask."""


def proceed(question: Question) -> None:
    """Do not ask: a caller from Python has decided."""


def asking(ctx: typer.Context) -> Confirm:
    """Return what asks the person at the terminal, and enters the change in the audit trail when they agree."""

    def confirm(question: Question) -> None:
        given, here = settings(ctx), console(ctx)
        asks = not question.never and (given.target == "gcp" or question.always)
        if asks and not here.confirm(question.at(place(given)), question.lines):
            raise CancelledError
        if (audited := session(ctx).audited) is not None:
            audited.begin(question)

    return confirm


def place(settings: Settings) -> str:
    """Return the target and its project, as messages name them: `gcp (nba-props-platform)`."""
    on_gcp = settings.target == "gcp" and settings.project is not None
    return f"{settings.target} ({settings.project})" if on_gcp else settings.target


def command_line(settings: Settings, *words: str) -> str:
    """Return `nbactl WORDS` with the options that say where it acts, quoted for a shell."""
    return shlex.join(["nbactl", *words, *given_options(settings)])
