"""A pager for output that is longer than the screen, as git and gh use one: $PAGER, or less."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LESS: Final = "RSX"
"""For less without options of its own: obey colours, chop long lines (arrow keys scroll), leave the text there."""


def pager_of(environ: Mapping[str, str]) -> list[str] | None:
    """Return the command of the pager, None where there is none or `cat` is asked for."""
    words = shlex.split(environ.get("PAGER", "less"))
    if not words or words[0] == "cat" or shutil.which(words[0]) is None:
        return None
    return words


def show_paged(text: str, pager: list[str], environ: Mapping[str, str]) -> None:
    """Show the text in the pager and return when the person leaves it. Ctrl-C is the pager's while it runs."""
    env = {"LESS": _LESS, "LV": "-c", **environ}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with subprocess.Popen(pager, stdin=subprocess.PIPE, env=env) as process:  # noqa: S603 - the person's choice
            process.communicate(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
    finally:
        signal.signal(signal.SIGINT, before)
