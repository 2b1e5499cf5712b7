"""Progress of runs on a terminal: a table that is redrawn in place."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nbactl.cli.run.ranges import RangeTally
from nbactl.cli.run.text import FINE, is_range
from nbactl.cli.show.progress import remark, summary, took
from nbactl.cli.show.states import look
from nbactl.cli.show.text import plain_text
from nbactl.core._support.durations import format_duration
from nbactl.workflows.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from types import TracebackType

    from rich.console import Console as RichConsole
    from rich.console import RenderableType

    from nbactl.core._support.clock import Clock
    from nbactl.workflows.model import RunEvent, RunPlan, RunRecord, TaskRecord


class LiveProgress:
    """Shows the tasks of the runs that are going on in a table that is redrawn in place.

    A finished run is printed once above the table. Of a range there is a bar instead, and above it only the runs that
    did not succeed.
    """

    def __init__(self, console: RichConsole, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[str, RunRecord] = {}
        self._notes: dict[tuple[str, str], str] = {}
        self._range: RangeTally | None = None
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

    def begin(self, plans: Sequence[RunPlan]) -> None:
        """Take the runs that will be executed into account."""
        planned = [plan for plan in plans if plan.tasks]
        with self._lock:
            self._range = RangeTally(planned) if is_range(planned) else None

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        run = event.run
        with self._lock:
            if self._range is not None:
                self._range.note(event)
            if event.kind == "run_finished":
                self._runs.pop(run.run_id, None)
            else:
                self._runs[run.run_id] = run
            if event.task is not None:
                self._notes[run.run_id, event.task.name] = event.message if event.kind == "task_retrying" else ""
        if event.kind == "run_finished" and (self._range is None or run.status not in FINE):
            self._print(_finished(run))

    def _print(self, line: Text) -> None:
        with suppress(OSError):  # the terminal is gone; the run continues
            self._live.console.print(line, soft_wrap=True)

    def table(self) -> RenderableType:
        """Return what is on the screen now."""
        with self._lock:
            runs, notes, now = list(self._runs.values()), dict(self._notes), self._clock.now()
            if self._range is not None:
                return self._bar(self._range, now)
        if not runs:
            return self._planning
        return Group(*(self._table(run, notes, now) for run in runs))

    def _bar(self, tally: RangeTally, now: datetime) -> RenderableType:
        left = tally.seconds_left(now)
        text = f"{tally.done:,} of {tally.total:,} runs" + ("" if left is None else f"  ETA {format_duration(left)}")
        line = Table.grid(padding=(0, 2, 0, 0))
        width = min(max(self._live.console.width - len(text) - 4, _BAR_LEAST), _BAR_MOST)
        line.add_row(ProgressBar(tally.total, tally.done, width=width), text)
        current = Table.grid(padding=(0, 1, 0, 0))
        current.add_row(self._spinner, _running(tally, now))
        return Group(line, current)

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


_BAR_LEAST = 10
_BAR_MOST = 60


def _running(tally: RangeTally, now: datetime) -> Text:
    """Return which run is executed now, and how many did not succeed."""
    shown = Text(no_wrap=True, overflow="ellipsis")
    for run in [*tally.running.values()][:1]:
        passed = format_duration((now - run.started_at).total_seconds())
        shown.append(f"{run.name} {run.game_date}", "bold").append(f"  {passed}", "dim")
    if len(tally.running) > 1:
        shown.append(f"  and {len(tally.running) - 1} more", "dim")
    if tally.unsuccessful:
        shown.append(f"  {len(tally.unsuccessful)} not successful", "bold red")
    return shown


def _finished(run: RunRecord) -> Text:
    state = look(run.status.value)
    name, word, *rest = summary(run)
    return Text.assemble(
        (state.glyph, state.style), f" {name} ", (word, state.style), (plain_text(f"  {'  '.join(rest)}"), "dim")
    )
