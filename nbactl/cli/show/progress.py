"""The words that progress of runs is shown in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.show.states import look
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.workflows.model import RunEvent, RunRecord, TaskRecord


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
