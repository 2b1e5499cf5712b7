"""What watches a run that this process executes: progress for a person, the run's log, alerts."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nbactl.cli.show.progress import PlainProgress
from nbactl.cli.show.stream import OutputError
from nbactl.core.alerts import TextChannel
from nbactl.core.observe.logging import RunLogHandler, logging_to, stream_handler
from nbactl.workflows.observers import RunAlerts, log_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.cli.run.live import LiveProgress
    from nbactl.cli.show.console import Console
    from nbactl.config.workflows import AlertsSpec
    from nbactl.core._support.clock import Clock
    from nbactl.core.alerts import Alerts
    from nbactl.ports.alerts import AlertChannel
    from nbactl.workflows.model import Observer, RunEvent


@contextmanager
def watching(
    console: Console, *, logs: Path, rules: AlertsSpec, alerts: Callable[[AlertChannel], Alerts], clock: Clock
) -> Iterator[Observer]:
    """Yield the observer of the runs that are executed in the block.

    With -v the log itself is the progress that is shown; with --quiet none is. `alerts` makes what sends them, given
    the channel that is this console.
    """
    handlers: list[logging.Handler] = [RunLogHandler(logs)]
    if console.verbosity and not console.quiet:
        handlers.append(stream_handler(sys.stderr, logging.DEBUG if console.verbosity > 1 else logging.INFO))
    with logging_to(*handlers), _progress(console, clock) as progress:
        on_console = TextChannel(progress.say)
        alarm = RunAlerts(rules, lambda alert, channels: alerts(on_console).send(alert, channels))
        shown = not console.quiet and not console.verbosity

        def observe(event: RunEvent) -> None:
            log_event(event)
            if shown:
                progress(event)
            alarm(event)

        yield observe


def _progress(console: Console, clock: Clock) -> LiveProgress | PlainProgress:
    if console.is_terminal and not console.verbosity:
        from nbactl.cli.run.live import LiveProgress  # noqa: PLC0415 - loads Rich

        return LiveProgress(console.err.rich, clock)

    def write(line: str) -> None:
        with suppress(OutputError):  # nobody reads stderr any more; the run and its log go on
            console.err.print(line)
            console.err.flush()

    return PlainProgress(write, clock)
