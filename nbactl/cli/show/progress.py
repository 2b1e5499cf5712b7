"""Progress of runs as plain lines, where there is no terminal. Always on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from nbactl.cli.show.states import look
from nbactl.cli.show.times import clock_time
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from nbactl.core._support.clock import Clock
    from nbactl.workflows.model import RunEvent, RunRecord, TaskRecord


class PlainProgress:
    """Writes one line for each change of a task: `12:00:01 player_game_summary succeeded 229 rows 0.3s`.

    A silent one writes only what `say` is given.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock, *, silent: bool = False) -> None:
        self._write = write
        self._clock = clock
        self._silent = silent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: every line is written when it happens."""

    def say(self, text: str) -> None:
        """Write a line that does not come from an event."""
        self._write(text)

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        if self._silent:
            return
        stamp = clock_time(self._clock.now())
        if event.task is not None:
            self._write(" ".join([stamp, event.task.name, *task_words(event)]))
        elif event.kind == "run_started":
            self._write(f"{stamp} {event.run.name} {event.run.game_date} started as {event.run.run_id}")
        else:
            self._write(" ".join([stamp, *summary(event.run)]))


def took(task: TaskRecord, now: datetime) -> float | None:
    """Return how many seconds a task took, or has been running."""
    if task.started_at is None:
        return None
    return max(((task.finished_at or now) - task.started_at).total_seconds(), 0.0)


def remark(task: TaskRecord) -> str:
    """Return why a task is not done, or in which run it was."""
    if task.carried_from:
        return f"done in {task.carried_from}"
    if task.error:
        return str(task.error.get("message", "")).partition("\n")[0]
    return task.reason or ""


def task_words(event: RunEvent) -> list[str]:
    """Return the words that follow the name of a task."""
    task = event.task
    if task is None:
        return []
    if event.kind == "task_started":
        return ["started"] if task.attempts <= 1 else [f"started (attempt {task.attempts})"]
    if event.kind == "task_retrying":
        return ["retrying:", event.message]
    passed = took(task, task.finished_at) if task.finished_at else None
    words = [look(task.status.value).word]
    words += [f"{task.rows} rows"] if task.rows is not None else []
    words += [format_duration(passed)] if passed is not None else []
    words += [f"({task.attempts} attempts)"] if task.attempts > 1 else []
    words += [f"- {extra}"] if (extra := remark(task)) else []
    return words


def summary(run: RunRecord) -> list[str]:
    """Return the words that describe a run that has ended: name and date, state, and more."""
    done = sum(task.status.done for task in run.tasks)
    passed = ((run.finished_at or run.started_at) - run.started_at).total_seconds()
    words = [f"{run.name} {run.game_date}", look(run.status.value).word, f"{done} of {len(run.tasks)} tasks done"]
    return [*words, *([run.reason] if run.reason else []), format_duration(passed)]
