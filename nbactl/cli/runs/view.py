"""Runs, their logs and timelines as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.run.json import run_json
from nbactl.cli.run.summary import show_range
from nbactl.cli.run.text import (
    FINE,
    is_range,
    run_rows,
    show_details,
    show_remarks,
    show_run_list,
    show_run_rows,
    show_title,
)
from nbactl.cli.run.text import state as state_of
from nbactl.cli.runs.command import ListedGroup, ListedRun
from nbactl.cli.runs.grid import show_grid
from nbactl.cli.runs.log import for_a_person
from nbactl.cli.show.files import write_whole
from nbactl.cli.show.render import View
from nbactl.cli.show.states import look
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.cli.runs.command import Cancelled, Dismissal, RunGroup, RunList, RunLog
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row
    from nbactl.workflows.model import RunRecord

_GANTT_WIDTH: Final = 100
_DETAILED: Final = 6
"""Of how many unsuccessful runs of a group the details are shown."""


def run_list(found: RunList) -> View:
    """Show runs, one a line, or a group of them."""

    def show(console: Console) -> None:
        lines = list(found.lines)
        if not lines:
            console.note("No run matches." if found.request.is_filtered else "No runs yet.")
            return
        rows = [_row(console, line) for line in lines]
        show_run_rows(console, rows, groups=any(isinstance(line, ListedGroup) for line in lines))
        shown = sum(len(line.runs) if isinstance(line, ListedGroup) else 1 for line in lines)
        console.showing(shown, found.total, "runs", more="Use --limit to see more.")
        if shown > len(lines):
            console.note(Styled("List the runs of a group: nbactl runs list --group GROUP", "dim"))

    data = {"runs": map(_listed_json, found.runs), "total": found.total}
    return View(data, show, items="runs", warnings=found.warnings)


def _row(console: Console, line: ListedRun | ListedGroup) -> Row:
    if isinstance(line, ListedRun):
        (row,) = run_rows(console, [(line.run, line.state)])
        return row
    runs = [run for run, _ in line.runs]
    fine = sum(state in FINE for _, state in line.runs)
    return [
        runs[0].group,
        " ".join(runs[0].requested or dict.fromkeys(run.name for run in reversed(runs))),
        _span(runs),
        state_of(console, line.state),
        moment(min(run.started_at for run in runs)),
        f"{fine}/{len(runs)} runs",
        None,
        _took(runs),
        None,
    ]


def _span(runs: Sequence[RunRecord]) -> str:
    dates = sorted({run.game_date for run in runs})
    return str(dates[0]) if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def _took(runs: Sequence[RunRecord]) -> str | None:
    ends = [run.finished_at for run in runs if run.finished_at is not None]
    if len(ends) < len(runs):
        return None
    return format_duration((max(ends) - min(run.started_at for run in runs)).total_seconds())


def _listed_json(listed: ListedRun) -> dict[str, Any]:
    return run_json(listed.run, listed.state)


def run_group(found: RunGroup, log_path: Callable[[str], Path]) -> View:
    """Show a run in full; of a group all runs, and those in full that did not succeed or are no longer fresh.

    Of a range each phase is one line, and each of those runs.
    """

    def show(console: Console) -> None:
        if is_range([listed.run for listed in found.runs]):
            _show_range(console, found)
            return
        if len(found.runs) > 1:
            _show_group(console, found)
        shown = [
            listed
            for listed in found.runs
            if len(found.runs) == 1 or listed.state != RunStatus.SUCCEEDED or listed.not_fresh
        ]
        for listed in shown[:_DETAILED]:
            if len(found.runs) > 1:
                console.print()
            log = log_path(listed.run.run_id)
            show_details(console, listed.run, listed.state, log if log.exists() else None, listed.not_fresh)
        show_remarks(console, [listed.run for listed in found.runs])
        console.showing(
            min(len(shown), _DETAILED), len(shown), "runs that need a look", more="Show one: nbactl runs show RUN"
        )

    warnings = () if found.unchecked is None else (f"freshness was not checked: {found.unchecked}",)
    return View(_group_json(found), show, run_id=found.last.run.run_id, warnings=warnings)


def run_log(log: RunLog, *, at_once: bool) -> View:
    """Show log entries as they come; `at_once` reads all of them first."""
    entries: Iterable[dict[str, Any]] = list(log.entries) if at_once else log.entries

    def show(console: Console) -> None:
        for entry in entries:
            console.print(for_a_person(entry))

    return View({"entries": entries}, show, items="entries", run_id=log.run_id)


def cancelled(done: Cancelled) -> View:
    """Show how a run ended that was asked to stop."""
    return View(
        {"run": run_json(done.run, done.state)},
        lambda console: console.note(_cancelled_text(done)),
        run_id=done.run.run_id,
        touched=f"run {done.run.run_id}",
    )


def dismissed(done: Dismissal) -> View:
    """Show which failures were dismissed, or are shown again."""
    data = {
        "runs": [run_json(listed.run, listed.state) for listed in done.runs],
        "changed": list(done.changed),
        "dry_run": done.request.dry_run,
    }
    touched = f"runs {', '.join(done.changed)}" if done.changed else None
    words = ("runs", "dismiss", *done.changed)
    undo = words if done.request.undo else (*words, "--undo")
    return View(
        data,
        lambda console: console.note(_dismissed_text(done)),
        items="runs",
        touched=touched,
        undo=(undo,) if done.changed else (),
    )


def _dismissed_text(done: Dismissal) -> str:
    if not done.changed:
        return "Nothing to do: not dismissed." if done.request.undo else "Nothing to do: already dismissed."
    named = ", ".join(done.changed)
    if done.request.undo:
        return f"Would show {named} again." if done.request.dry_run else f"Showing {named} again."
    return f"Would dismiss {named}." if done.request.dry_run else f"Dismissed {named}."


def drawn(found: RunGroup, now: datetime, html: Path | None) -> View:
    """Draw the timeline of a run or of a group, or write it to a page."""
    data: dict[str, Any] = {**_group_json(found), "html": None}
    if html is not None:
        from nbactl.cli.runs.gantt_html import gantt_page  # noqa: PLC0415 - only then

        page = gantt_page([(listed.run, listed.state) for listed in found.runs], now)
        data["html"] = str(write_whole(html, page))

    def show(console: Console) -> None:
        if html is None:
            _draw(console, found, now)
        else:
            console.note(f"Wrote {html}.")

    return View(data, show, run_id=found.last.run.run_id)


def _draw(console: Console, found: RunGroup, now: datetime) -> None:
    from nbactl.cli.runs.gantt import gantt_lines, group_lines  # noqa: PLC0415 - loads Rich

    width = console.out.width if console.out.is_terminal else _GANTT_WIDTH
    runs = [(listed.run, listed.state) for listed in found.runs]
    if len(runs) > 1:
        console.print(Styled(_group_title(found), "bold"))
        if is_range([run for run, _ in runs]):
            show_grid(console, runs)
        else:
            for line in group_lines(runs, now, width):
                console.print(*line)
    if len(runs) > _DETAILED:
        console.note("Draw one run: nbactl runs gantt RUN")
        return
    for run, state in runs:
        if len(runs) > 1:
            console.print()
        show_title(console, run, state)
        for line in gantt_lines(run, now, width):
            console.print(*line)


def _group_json(found: RunGroup) -> dict[str, Any]:
    last = found.last
    return {
        "run": _listed_json(last),
        "runs": [_listed_json(one) for one in found.runs],
        "not_fresh": {one.run.run_id: one.not_fresh for one in found.runs if one.not_fresh},
    }


def _show_group(console: Console, found: RunGroup) -> None:
    console.print(Styled(_group_title(found), "bold"))
    show_run_list(console, [(listed.run, listed.state) for listed in found.runs])
    console.note("Show one run: nbactl runs show RUN")


def _show_range(console: Console, found: RunGroup) -> None:
    console.print(Styled(_group_title(found), "bold"))
    show_range(console, [(listed.run, listed.state) for listed in found.runs])
    show_remarks(console, [listed.run for listed in found.runs])
    if stale := [listed for listed in found.runs if listed.not_fresh]:
        run, reason = stale[0].run, stale[0].not_fresh
        console.note(f"{len(stale)} runs are no longer fresh, the first {run.name} {run.game_date}: {reason}")
    console.note("Show one run: nbactl runs show RUN")
    console.note(f"List them:    nbactl runs list --group {found.last.run.group}")


def _group_title(found: RunGroup) -> str:
    run = found.last.run
    names = " ".join(run.requested or dict.fromkeys(listed.run.name for listed in found.runs))
    return f"{names} {_span([listed.run for listed in found.runs])}: {len(found.runs)} runs, {run.group}"


def _cancelled_text(done: Cancelled) -> str:
    run, word = done.run, look(done.state).word
    if done.already:
        return f"Nothing to do: {run.run_id} was already cancelled."
    if done.request.dry_run:
        if done.state != RunStatus.RUNNING:
            return f"Nothing to do: {run.run_id} is {word}."
        open_tasks = ", ".join(task.name for task in run.tasks if task.finished_at is None)
        return f"Would cancel {run.run_id} ({run.name} {run.game_date}). Unfinished tasks: {open_tasks}."
    if not done.request.wait:
        return f"Asked {run.run_id} to stop."
    text = f"{run.run_id} ended: {word}."
    if run.status is not RunStatus.CANCELLED and run.group is not None:
        text += " The later runs of its group will not start."
    return text
