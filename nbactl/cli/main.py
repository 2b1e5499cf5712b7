"""The process: argv in, exit code out."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing alone would load 20 modules before `--version` is answered
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (see `nbactl help exit-codes`). Raises nothing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"] and not os.environ.get("NBACTL_OUTPUT"):
        from nbactl import __version__  # noqa: PLC0415 - nothing else is needed

        try:
            os.write(1, f"nbactl {__version__}\n".encode())
        except OSError:
            pass  # told below, where errors are told
        else:
            return 0
    from nbactl.cli.boundary import run  # noqa: PLC0415 - loads Typer

    return run(arguments)


def console_main() -> NoReturn:
    """Start from the console script."""
    sys.exit(main())
