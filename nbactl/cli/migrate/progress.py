"""Progress of a migration: a bar with its ETA on a terminal, lines elsewhere, JSON lines with `-o jsonl`."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nbactl.cli.migrate.json import event_json
from nbactl.cli.show.stream import OutputError
from nbactl.cli.show.times import clock_time
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Output
    from nbactl.core._support.clock import Clock
    from nbactl.migrations.work import ProgressEvent

    Observe = Callable[[ProgressEvent], None]

_LINE_EVERY: Final = 5.0
"""Seconds between two lines of the same phase, so that a long backfill does not fill a log."""


@contextmanager
def watching(console: Console, clock: Clock, name: str, output: Output) -> Iterator[Observe]:
    """Yield what an action is to call with its progress. All of it goes to stderr."""
    if console.quiet:
        yield lambda _event: None
    elif output == "jsonl":
        yield lambda event: _write(console, json.dumps(event_json(name, event), separators=(",", ":")))
    elif console.is_terminal:
        from nbactl.cli.migrate.live import live_progress  # noqa: PLC0415 - loads Rich

        with live_progress(console.err.rich) as observe:
            yield observe
    else:
        yield _Lines(console, clock)


def told(event: ProgressEvent) -> str:
    """Return an event in words."""
    counts = "".join(f", {number:,} {name}" for name, number in event.counts.items())
    words = f"{event.action} {event.phase}: {event.done:,} of {event.total:,} batches{counts}"
    if event.paused is not None:
        return f"{words} - paused by {event.paused.who}"
    if event.eta is not None and event.done < event.total:
        words += f", {format_duration(event.eta)} left"
    return words


class _Lines:
    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._last: tuple[str, str, bool] | None = None
        self._next = 0.0

    def __call__(self, event: ProgressEvent) -> None:
        kind = (event.action, event.phase, event.paused is not None)
        now = self._clock.monotonic()
        if kind == self._last and now < self._next and event.done < event.total:
            return
        self._last, self._next = kind, now + _LINE_EVERY
        _write(self._console, f"{clock_time(self._clock.now())} {told(event)}")


def _write(console: Console, line: str) -> None:
    with suppress(OutputError):  # nobody reads stderr any more; the work goes on
        console.err.print(line)
        console.err.flush()
