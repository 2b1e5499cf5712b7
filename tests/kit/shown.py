"""What a command shows a person, as text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nbactl.cli.show.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable


class _Utf8(io.StringIO):
    encoding = "utf-8"


class _Terminal(_Utf8):
    def isatty(self) -> bool:
        return True


def screen(show: Callable[[Console], None], *, verbosity: int = 0, quiet: bool = False) -> str:
    """Return what `show` writes to stdout where that is no terminal."""
    out = _Utf8()
    show(Console(environ={}, verbosity=verbosity, quiet=quiet, stdout=out, stderr=_Utf8()))
    return out.getvalue()


def terminal(show: Callable[[Console], None], *, verbosity: int = 0) -> str:
    """Return what `show` writes to a terminal without colours, which is 80 columns wide where the tests run."""
    out = _Terminal()
    show(Console(environ={"TERM": "dumb"}, verbosity=verbosity, stdout=out, stderr=_Utf8()))
    return out.getvalue()
