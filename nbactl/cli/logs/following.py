"""Lines of logs as they come, until Ctrl-C."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from nbactl.cli.app import console, container
from nbactl.cli.logs import view
from nbactl.cli.logs.command import follow_logs, search_logs
from nbactl.cli.signals import SignalledError, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from nbactl.cli.logs.command import LogRequest
    from nbactl.cli.show.render import View
    from nbactl.cli.signals import SignalName
    from nbactl.ports.logs import LogRecord

LINES, LINES_BEFORE = 100, 10
"""How many lines are shown by default, and how many before those that are followed."""


def lines(ctx: typer.Context, request: LogRequest, *, follow: bool) -> View:
    """Return the lines that match; with `follow` they come until Ctrl-C, which is not a failure."""
    opened, shown = container(ctx, reads_only=True), console(ctx)
    if not follow:
        return view.found_logs(search_logs(opened, request))
    signals: list[SignalName] = []
    query, groups = follow_logs(opened, request, lambda: bool(signals) or not shown.out.is_open, shown.warn)

    def records() -> Iterator[LogRecord]:
        with interruptible(signals.append):
            for group in groups:
                yield from group
                shown.out.flush()
        if signals == ["SIGTERM"]:
            raise SignalledError(signal.SIGTERM)

    return view.followed(query, request.services, records())
