"""Progress of a migration on a terminal: one bar that is redrawn in place."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn

from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console as RichConsole

    from nbactl.migrations.work import ProgressEvent


@contextmanager
def live_progress(console: RichConsole) -> Iterator[Callable[[ProgressEvent], None]]:
    """Yield what draws an event; the terminal is left as it was."""
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


def _note(event: ProgressEvent) -> str:
    counts = ", ".join(f"{number:,} {name}" for name, number in event.counts.items())
    if event.paused is not None:
        return f"{counts}  paused (go on: --resume)"
    left = f"  {format_duration(event.eta)} left" if event.eta is not None and event.done < event.total else ""
    return f"{counts}{left}"
