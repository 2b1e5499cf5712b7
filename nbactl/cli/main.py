"""The process: argv in, exit code out."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing alone would load 20 modules before `--version` is answered
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (see `nbactl help exit-codes`). Raises nothing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        from nbactl import __version__  # noqa: PLC0415 - nothing else is needed

        sys.stdout.write(f"nbactl {__version__}\n")
        return 0
    from nbactl.cli.boundary import run  # noqa: PLC0415 - loads Typer

    return run(arguments)


def console_main() -> NoReturn:
    """Start from the console script."""
    sys.exit(main())
