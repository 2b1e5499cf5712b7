"""Progress of runs as plain lines, where there is no terminal. Always on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from nbactl.cli.run.ranges import RangeTally
from nbactl.cli.run.text import FINE, is_range
from nbactl.cli.show.progress import summary, task_words
from nbactl.cli.show.times import clock_time
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType

    from nbactl.core._support.clock import Clock
    from nbactl.workflows.model import RunEvent, RunPlan


class PlainProgress:
    """Writes one line for each change of a task: `12:00:01 player_game_summary succeeded 229 rows 0.3s`.

    Of a range it writes one for each tenth of the runs, and one for each run that did not succeed. A silent one writes
    only what `say` is given.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock, *, silent: bool = False) -> None:
        self._write = write
        self._clock = clock
        self._silent = silent
        self._range: RangeTally | None = None
        self._tenths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: every line is written when it happens."""

    def say(self, text: str) -> None:
        """Write a line that does not come from an event."""
        self._write(text)

    def begin(self, plans: Sequence[RunPlan]) -> None:
        """Take the runs that will be executed into account."""
        planned = [plan for plan in plans if plan.tasks]
        self._range = RangeTally(planned) if is_range(planned) else None

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        if self._silent:
            return
        now = self._clock.now()
        stamp = clock_time(now)
        if self._range is not None:
            self._range.note(event)
            if event.kind == "run_finished" and event.run.status not in FINE:
                self._write(" ".join([stamp, *summary(event.run)]))
            self._write_tenth(self._range, now)
        elif event.task is not None:
            self._write(" ".join([stamp, event.task.name, *task_words(event)]))
        elif event.kind == "run_started":
            self._write(f"{stamp} {event.run.name} {event.run.game_date} started as {event.run.run_id}")
        else:
            self._write(" ".join([stamp, *summary(event.run)]))

    def _write_tenth(self, tally: RangeTally, now: datetime) -> None:
        if (tenths := 10 * tally.done // tally.total) <= self._tenths:
            return
        self._tenths = tenths
        words = [f"{tally.done:,} of {tally.total:,} runs done"]
        words += [f"{len(tally.unsuccessful)} not successful"] if tally.unsuccessful else []
        left = tally.seconds_left(now)
        words += [f"about {format_duration(left)} left"] if left and tally.done < tally.total else []
        self._write(f"{clock_time(now)} {', '.join(words)}")
