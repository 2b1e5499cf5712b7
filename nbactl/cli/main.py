"""The process: argv in, exit code out."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing alone would load 20 modules before `--version` is answered
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_START_UP_OBJECTS = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (see `nbactl help exit-codes`). Raises nothing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"] and not os.environ.get("NBACTL_OUTPUT"):
        from nbactl import __version__  # noqa: PLC0415 - nothing else is needed

        try:
            os.write(1, f"nbactl {__version__}\n".encode())
        except OSError:
            pass  # reported below, where errors are reported
        else:
            return 0
    from nbactl.cli.boundary import run  # noqa: PLC0415 - loads Typer

    return run(arguments)


def console_main() -> NoReturn:
    """Start from the console script.

    Garbage is collected only once a command has made more objects than a start makes: what is loaded stays, and to
    search it for garbage, at start and once more at the end, takes a fifth of the time of a short command.
    """
    usual = gc.get_threshold()

    def collect_as_usual(_phase: str, _info: dict[str, Any]) -> None:
        gc.callbacks.remove(collect_as_usual)
        gc.set_threshold(*usual)

    gc.callbacks.append(collect_as_usual)
    gc.set_threshold(_START_UP_OBJECTS, *usual[1:])
    code = main()
    if "duckdb" not in sys.modules:  # its extension reports what is not freed as leaked
        gc.freeze()  # the end of the process frees it all
    sys.exit(code)
