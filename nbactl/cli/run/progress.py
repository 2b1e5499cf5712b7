"""Progress of the runs that this process executes, on stderr."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nbactl.cli.show.stream import OutputError
from nbactl.core.observe.logging import logging_to, stream_handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.cli.run.live import LiveProgress
    from nbactl.cli.run.plain import PlainProgress
    from nbactl.cli.show.console import Console
    from nbactl.core._support.clock import Clock


@contextmanager
def progress_on(console: Console, clock: Clock) -> Iterator[LiveProgress | PlainProgress]:
    """Yield the observer that shows runs: in place on a terminal, else line by line.

    With -v the log itself is shown instead, with --quiet nothing; `say` works in any case.
    """
    if console.is_terminal and not console.verbosity:
        from nbactl.cli.run.live import LiveProgress  # noqa: PLC0415 - loads Rich

        with LiveProgress(console.err.rich, clock) as live:
            yield live
        return

    from nbactl.cli.run.plain import PlainProgress  # noqa: PLC0415 - not for a dry run

    def write(line: str) -> None:
        with suppress(OutputError):  # stderr is closed; the run and its log continue
            console.err.print(line)
            console.err.flush()

    level = logging.DEBUG if console.verbosity > 1 else logging.INFO
    handlers = [stream_handler(sys.stderr, level)] if console.verbosity and not console.quiet else []
    silent = bool(console.quiet or console.verbosity)
    with logging_to(*handlers), PlainProgress(write, clock, silent=silent) as plain:
        yield plain
