"""Progress of a migration on stderr: a bar on a terminal, lines elsewhere, JSON lines with `-o jsonl`."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nbactl.cli.migrate.json import event_json
from nbactl.cli.show.stream import OutputError
from nbactl.cli.show.times import clock_time
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console as RichConsole

    from nbactl.cli.migrate.command import Observer
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Output
    from nbactl.core._support.clock import Clock
    from nbactl.migrations.work import ProgressEvent

_LINE_EVERY: Final = 5.0
"""Seconds between two lines of the same phase, so that a long backfill does not fill a log."""


@contextmanager
def show_progress(
    console: Console, clock: Clock, output: Output, *, migration: str = "completions", unit: str = "batches"
) -> Iterator[Observer]:
    """Yield the observer that shows the progress of an action of `migration`, which is counted in `unit`."""
    if console.quiet:
        yield lambda _event: None
    elif output == "jsonl":
        yield lambda event: _write(console, json.dumps(event_json(event, migration), separators=(",", ":")))
    elif console.is_terminal:
        with _bar(console.err.rich) as observer:
            yield observer
    else:
        yield _Lines(console, clock, unit)


class _Lines:
    def __init__(self, console: Console, clock: Clock, unit: str) -> None:
        self._unit = unit
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
        _write(self._console, f"{clock_time(self._clock.now())} {_line(event, self._unit)}")


@contextmanager
def _bar(console: RichConsole) -> Iterator[Observer]:
    """Yield what redraws one bar in place; the terminal is left as it was."""
    from rich.progress import (  # noqa: PLC0415 - only a terminal needs it
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
    )

    progress = Progress(
        SpinnerColumn(style="cyan"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
        transient=True,
        redirect_stdout=False,
        refresh_per_second=8,
    )
    bars: dict[str, TaskID] = {}

    def draw(event: ProgressEvent) -> None:
        name = f"{event.action} {event.phase}"
        if name not in bars:
            progress.start()
            for other in bars.values():
                progress.remove_task(other)
            bars.clear()
            bars[name] = progress.add_task(name, total=event.total, note="")
        progress.update(bars[name], completed=event.done, total=event.total, note=_note(event))
        if event.done >= event.total:
            bars.clear()
            progress.stop()  # a question may follow

    try:
        yield draw
    finally:
        with suppress(OSError):  # the terminal is gone
            progress.stop()


def _line(event: ProgressEvent, unit: str) -> str:
    counts = "".join(f", {number:,} {name}" for name, number in event.counts.items())
    line = f"{event.action} {event.phase}: {event.done:,} of {event.total:,} {unit}{counts}"
    if event.paused is not None:
        return f"{line} - paused by {event.paused.who}"
    if event.eta is not None and event.done < event.total:
        line += f", {format_duration(event.eta)} left"
    return line


def _note(event: ProgressEvent) -> str:
    counts = ", ".join(f"{number:,} {name}" for name, number in event.counts.items())
    if event.paused is not None:
        return f"{counts}  paused (to continue: --resume)"
    left = f"  {format_duration(event.eta)} left" if event.eta is not None and event.done < event.total else ""
    return f"{counts}{left}"


def _write(console: Console, line: str) -> None:
    with suppress(OutputError):  # stderr is closed; the work continues
        console.err.print(line)
        console.err.flush()
