"""Progress of runs on a terminal: a table that is redrawn in place."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nbactl.cli.show.progress import remark, summary, took
from nbactl.cli.show.states import look
from nbactl.cli.show.text import plain_text
from nbactl.core._support.durations import format_duration
from nbactl.workflows.model import TaskStatus

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from rich.console import Console as RichConsole
    from rich.console import RenderableType

    from nbactl.core._support.clock import Clock
    from nbactl.workflows.model import RunEvent, RunRecord, TaskRecord


class LiveProgress:
    """Shows the tasks of the runs that are going on in a table that is redrawn in place.

    A finished run is printed once above the table, so that a backfill scrolls by as one line a run.
    """

    def __init__(self, console: RichConsole, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[str, RunRecord] = {}
        self._notes: dict[tuple[str, str], str] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._planning = Spinner("dots", Text("checking what is finished", style="dim"), style="cyan")
        self._lock = Lock()
        self._live = Live(
            get_renderable=self.table, console=console, refresh_per_second=8, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, with what finished still on it."""
        with suppress(OSError):
            self._live.stop()

    def say(self, text: str) -> None:
        """Write a line above the table."""
        self._print(Text(plain_text(text)))

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        run = event.run
        with self._lock:
            if event.kind == "run_finished":
                self._runs.pop(run.run_id, None)
            else:
                self._runs[run.run_id] = run
            if event.task is not None:
                self._notes[run.run_id, event.task.name] = event.message if event.kind == "task_retrying" else ""
        if event.kind == "run_finished":
            self._print(_finished(run))

    def _print(self, line: Text) -> None:
        with suppress(OSError):  # the terminal is gone; the run continues
            self._live.console.print(line, soft_wrap=True)

    def table(self) -> RenderableType:
        """Return what is on the screen now."""
        with self._lock:
            runs, notes, now = list(self._runs.values()), dict(self._notes), self._clock.now()
        if not runs:
            return self._planning
        return Group(*(self._table(run, notes, now) for run in runs))

    def _table(self, run: RunRecord, notes: dict[tuple[str, str], str], now: datetime) -> Table:
        passed = format_duration((now - run.started_at).total_seconds())
        title = Text.assemble((f"{run.name} {run.game_date}", "bold"), (f"  {passed}  {run.run_id}", "dim"))
        table = Table(title=title, title_justify="left", title_style="", box=None, padding=(0, 2, 0, 0), expand=False)
        narrow = self._live.console.width < _NARROW
        shown = [number for number, (name, _) in enumerate(_COLUMNS) if not narrow or name in _ESSENTIAL]
        for name, justify in (_COLUMNS[number] for number in shown):
            table.add_column(name, justify=justify, header_style="dim", no_wrap=name != "remark")
        for task in run.tasks:
            cells = self._cells(task, notes.get((run.run_id, task.name), ""), now)
            table.add_row(*(cells[number] for number in shown))
        return table

    def _cells(self, task: TaskRecord, note: str, now: datetime) -> list[RenderableType]:
        state = look(task.status.value)
        running = task.status is TaskStatus.RUNNING
        glyph: RenderableType = self._spinner if running else Text(state.glyph, style=state.style)
        passed = took(task, now)
        return [
            glyph,
            task.name,
            Text("retrying" if running and note else state.word, style=state.style),
            "" if passed is None else format_duration(passed),
            str(task.attempts) if task.attempts else "",
            "" if task.rows is None else f"{task.rows:,}",
            Text(plain_text(note or remark(task)), style="dim", overflow="ellipsis", no_wrap=True),
        ]


_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("", "left"),
    ("task", "left"),
    ("state", "left"),
    ("elapsed", "right"),
    ("attempts", "right"),
    ("rows", "right"),
    ("remark", "left"),
)
_ESSENTIAL = ("", "task", "elapsed", "rows")
_NARROW = 72
"""Columns below which only the essential ones are shown, whole; the glyph tells the state."""


def _finished(run: RunRecord) -> Text:
    state = look(run.status.value)
    name, word, *rest = summary(run)
    return Text.assemble(
        (state.glyph, state.style), f" {name} ", (word, state.style), (plain_text(f"  {'  '.join(rest)}"), "dim")
    )
