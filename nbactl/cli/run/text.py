"""Runs, tasks and plans as tables for a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from nbactl.cli.run.json import PRODUCTION
from nbactl.cli.show.states import look
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core.lease.holder import describe
from nbactl.workflows.freshness import listed
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row, Segment
    from nbactl.workflows.model import RunPlan, RunRecord, TaskRecord

SHOWN_WHOLE: Final = 6
"""Up to how many runs are shown one by one."""
FINE: Final = (RunStatus.SUCCEEDED, RunStatus.SKIPPED)
_GLYPHS_IN_ASCII: Final = {"✓": "+", "✗": "x", "○": "o", "◐": "~", "■": "#", "▸": ">", "·": "."}


def is_range(runs: Sequence[RunPlan] | Sequence[RunRecord]) -> bool:
    """Say whether runs are too many to be shown one by one, and of several dates."""
    return len(runs) > SHOWN_WHOLE and len({run.game_date for run in runs}) > 1


def names_in_order(runs: Sequence[RunPlan | RunRecord]) -> list[str]:
    """Return the names of runs in the order in which each date runs them, though some dates lack some of them."""
    days: dict[object, list[str]] = {}
    for run in runs:
        days.setdefault(run.game_date, []).append(run.name)
    names: list[str] = []
    for of_day in days.values():
        place = len(names)
        for name in reversed(of_day):
            if name in names:
                place = names.index(name)
            else:
                names.insert(place, name)
    return names


def state(console: Console, word: str) -> Styled:
    """Return a state as a table shows it: glyph and word."""
    shown = look(word)
    return Styled(f"{state_glyph(console, word)} {shown.word}", shown.style)


def state_glyph(console: Console, word: str) -> str:
    """Return the glyph of a state, in ASCII where the output has no other."""
    glyph = look(word).glyph
    return console.out.glyph(glyph, _GLYPHS_IN_ASCII.get(glyph, glyph))


def show_runs(console: Console, runs: Sequence[RunRecord]) -> None:
    """Show the outcome of runs: the tasks of each; of many runs, only the tasks that are not done."""
    if len(runs) > SHOWN_WHOLE:
        show_run_list(console, [(run, run.status.value) for run in runs])
        runs = [run for run in runs if run.status not in FINE and any(_needs_attention(task) for task in run.tasks)]
        if runs:
            console.print()
        for index, run in enumerate(runs):
            show_tasks(console, run, [task for task in run.tasks if _needs_attention(task)], first=index == 0)
        return
    for index, run in enumerate(runs):
        show_tasks(console, run, run.tasks, first=index == 0)


def show_run_list(console: Console, runs: Sequence[tuple[RunRecord, str]]) -> None:
    """Show runs, one a line, each with the state that is shown for it."""
    show_run_rows(console, run_rows(console, runs))


def run_rows(console: Console, runs: Iterable[tuple[RunRecord, str]]) -> list[Row]:
    """Return the rows of `show_run_rows`."""
    return [
        [
            run.run_id,
            run.name,
            str(run.game_date),
            state(console, shown),
            moment(run.started_at),
            f"{sum(task.status.done for task in run.tasks)}/{len(run.tasks)}",
            _count(sum(task.rows or 0 for task in run.tasks)),
            _duration(run),
            run.group or (PRODUCTION if run.source == PRODUCTION else None),
        ]
        for run, shown in runs
    ]


def show_run_rows(console: Console, rows: Sequence[Row], *, groups: bool = False) -> None:
    """Show the rows of runs, and of groups whose dates take more room."""
    columns = ["run", "name", "date", "state", "started", "tasks", "rows", "took", "group"]
    if groups:
        console.table(columns, rows, optional=["group", "rows", "started", "took", "tasks"])
    else:
        console.table(columns, rows, key=columns[:5])


def show_tasks(console: Console, run: RunRecord, tasks: Sequence[TaskRecord], *, first: bool = True) -> None:
    """Show a run and its tasks."""
    if not first and run.status is not RunStatus.SKIPPED:
        console.print()
    if run.status is RunStatus.SKIPPED:
        console.print(_title(run), " ", state(console, "skipped"), Styled(f"  {run.reason}", "dim"))
        return
    show_title(console, run, run.status.value)
    _task_table(console, tasks)


def show_title(console: Console, run: RunRecord, shown: str) -> None:
    """Show in one line what a run is and how it ended."""
    parts = [run.run_id, *([f"resumes {run.resumed_from}"] if run.resumed_from else [])]
    parts += [run.reason] if run.reason else []
    parts += [f"took {_duration(run)}"] if run.finished_at else []
    console.print(_title(run), " ", state(console, shown), Styled("  " + ", ".join(parts), "dim"))


def _task_table(console: Console, tasks: Sequence[TaskRecord]) -> None:
    if tasks:
        console.table(
            ["task", "state", "rows", "attempts", "took", "remark"],
            [_task_row(console, task) for task in tasks],
            optional=["attempts"],
        )


def show_details(console: Console, run: RunRecord, shown: str, log: Path | None, not_fresh: str | None = None) -> None:
    """Show everything about a run; with -v also the tracebacks of its errors. `not_fresh` is why it is to run again."""
    facts = {
        "run": run.run_id,
        "what": f"{run.kind} {run.name} of {run.game_date}",
        "state": state(console, shown),
        "started": moment(run.started_at),
        "finished": moment(run.finished_at) if run.finished_at else None,
        "took": _duration(run) or None,
        "source": f"{run.source} on {run.target}",
        "mode": run.mode,
        "resumes": run.resumed_from,
        "group": run.group,
        "reason": run.reason,
        "freshness": not_fresh,
        "dismissed": _dismissed(run),
        "holder": describe(run.owner),
        "correlation": run.correlation_id,
        "log": str(log) if log else None,
    }
    for name, value in facts.items():
        if value is not None:
            console.print(Styled(f"{name:<13}", "dim"), value)
    console.print()
    _task_table(console, run.tasks)
    failed = [task for task in run.tasks if task.error and not task.status.done]
    for task in failed:
        _show_error(console, task)
    if failed and not console.verbosity:
        console.note(f"Tracebacks: nbactl runs show {run.run_id} -v")


def _dismissed(run: RunRecord) -> str | None:
    if run.dismissed is None:
        return None
    at, by, reason = (run.dismissed.get(name) for name in ("at", "by", "reason"))
    return f"by {by}, {moment(at) if isinstance(at, datetime) else at}{f': {reason}' if reason else ''}"


def show_remarks(console: Console, runs: Sequence[RunRecord]) -> None:
    """Show what the tasks of these runs warn of, and with -v what they note, each sentence once."""
    details = [task.detail for run in runs for task in run.tasks]
    for key, label in (("warnings", Styled("warning: ", "bold yellow")), ("notes", Styled("note: ", "dim"))):
        if key == "warnings" or console.verbosity:
            for sentence in dict.fromkeys(sentence for detail in details for sentence in detail.get(key, ())):
                console.print(label, sentence)


def _show_error(console: Console, task: TaskRecord) -> None:
    error = dict(task.error or {})
    console.print()
    console.print(Styled(task.name, "bold"), ": ", Styled(f"{error.get('type')}: {error.get('message')}", "red"))
    for key in ("cause", "next"):
        if error.get(key):
            console.print(Styled(f"  {key + ':':<7}", "bold"), str(error[key]))
    if console.verbosity and error.get("traceback"):
        console.print(Styled(str(error["traceback"]).rstrip(), "dim"))


def remark(task: TaskRecord) -> str:
    """Return the first line of the remark beside the state of a task."""
    if task.carried_from:
        return f"done in {task.carried_from}"
    if task.error and not task.status.done:
        return str(task.error.get("message", "")).partition("\n")[0]
    extras = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in task.detail.items() if isinstance(count, int) and count
    )
    return task.reason or extras or ("" if task.required else "optional")


def why_not_done(run: RunRecord) -> str:
    """Return in one line why a run is not done: its first error, its reason, its open tasks, or what they lack."""
    failed = [task for task in run.tasks if task.error and not task.status.done]
    if failed:
        return f"{failed[0].name}: {remark(failed[0])}"
    undone = [task.name for task in run.tasks if not task.status.done]
    lacking = dict.fromkeys(text for task in run.tasks for text in task.incomplete)
    return run.reason or ", ".join(undone) or listed(list(lacking), "; ")


def _task_row(console: Console, task: TaskRecord) -> list[Segment | None]:
    took = None
    if task.started_at and task.finished_at:
        took = format_duration(max((task.finished_at - task.started_at).total_seconds(), 0.0))
    failed = bool(task.error) and not task.status.done
    return [
        task.name,
        state(console, task.status.value),
        None if task.rows is None else _count(task.rows),
        str(task.attempts) if task.attempts else None,
        took,
        Styled(remark(task), "red" if failed else "dim"),
    ]


def _title(run: RunRecord) -> Styled:
    return Styled(f"{run.name} {run.game_date}", "bold")


def _needs_attention(task: TaskRecord) -> bool:
    return not task.status.done and not (task.status.value == "skipped" and not task.required)


def _duration(run: RunRecord) -> str:
    return format_duration((run.finished_at - run.started_at).total_seconds()) if run.finished_at else ""


def _count(number: int) -> str:
    return f"{number:,}"
