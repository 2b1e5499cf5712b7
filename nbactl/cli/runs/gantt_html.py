"""Timelines of runs as one self-contained HTML page.

The chart is a table, so that it reads well without style sheets and to a screen reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.cli.runs.timeline import Row, Timeline, group_timeline, tick_label, timeline
from nbactl.cli.show.markup import Html, tag
from nbactl.cli.show.page import html_page
from nbactl.cli.show.states import look
from nbactl.cli.show.times import clock_time, moment
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.workflows.model import RunRecord, TaskRecord

_TICKS: Final = 7
_COLUMNS: Final = ("Task", "State", "", "Took", "Attempts", "Rows")


def gantt_page(runs: Sequence[tuple[RunRecord, str]], now: datetime) -> str:
    """Return the page for a run, or for the runs of a group, each with its state (`interrupted` included)."""
    run, state = runs[-1]
    title = f"{run.name} {run.game_date}"
    if len(runs) > 1:
        dates = sorted({run.game_date for run, _ in runs})
        span = str(dates[0]) if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        title = f"{' '.join(run.requested or (run.name,))} {span}"
    heading = f"{title}: {look(state).word}" if len(runs) == 1 else f"{title}: {len(runs)} runs"
    if len(runs) == 1:
        parts = [tag("h1", title), *_run(run, state, now)]
    else:
        overview = _chart(group_timeline(runs, now), "Timeline of the runs")
        parts = [tag("h1", heading), overview]
        for run, state in runs:
            parts += [tag("h2", f"{run.name} {run.game_date}"), *_run(run, state, now)]
    return html_page(heading, "nbactl.cli.runs/gantt.css", parts)


def _run(run: RunRecord, state: str, now: datetime) -> list[Html]:
    line = timeline(run, now)
    return [_lead(run, line, state), _facts(run), _chart(line, "Timeline of the tasks"), *_failures(run)]


def _lead(run: RunRecord, line: Timeline, state: str) -> Html:
    shown = look(state)
    done = sum(task.status.done for task in run.tasks)
    return tag(
        "p",
        tag("span", f"{shown.glyph} {shown.word}", cls=f"state {state}"),
        f" after {format_duration(line.seconds)}, {done} of {len(run.tasks)} tasks done, at most {line.peak()} at once",
        cls="lead",
    )


def _facts(run: RunRecord) -> Html:
    facts = {
        "Run": run.run_id,
        "Started": moment(run.started_at),
        "Finished": moment(run.finished_at) if run.finished_at else "not finished",
        "Source and target": f"{run.source}, {run.target}",
        "Mode": run.mode,
        "Resumes": run.resumed_from,
        "Group": run.group,
        "Reason": run.reason,
        "Correlation id": run.correlation_id,
    }
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items() if value))


def _chart(line: Timeline, label: str) -> Html:
    ticks = line.ticks(_TICKS)
    step = ticks[1] if len(ticks) > 1 else line.seconds
    marks = (
        tag("span", tick_label(second, step), style=f"left:{_percent(second, line)}")
        for second in ticks
        if second < line.seconds * 0.96
    )
    heads = [tag("th", name, scope="col", cls="number" if name in _COLUMNS[3:] else "") for name in _COLUMNS]
    heads[2] = tag("th", tag("div", *marks, cls="ticks"), scope="col", cls="chart", aria_label="Timeline")
    rows = [_row(line, row, ticks) for row in line.rows]
    if line.peak():
        rows.append(_at_once(line))
    table = tag(
        "table",
        tag("caption", f"Time since {clock_time(line.start)} Eastern"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *rows),
    )
    return tag("div", table, cls="scroll", tabindex="0", role="region", aria_label=label)


def _row(line: Timeline, row: Row, ticks: list[float]) -> Html:
    task = row.task
    shown = look(row.state)
    name = row.label if task is None or task.required else f"{row.label} (optional)"
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", tag("span", f"{shown.glyph} {shown.word}", cls="state")),
        tag("td", _lane(line, row, ticks), cls="chart"),
        tag("td", "" if row.duration is None else format_duration(row.duration), cls="number"),
        tag("td", "" if task is None else str(task.attempts), cls="number"),
        tag("td", "" if task is None or task.rows is None else f"{task.rows:,}", cls="number"),
        cls=f"{row.state}{' carried' if row.is_carried else ''}",
    )


def _lane(line: Timeline, row: Row, ticks: list[float]) -> Html:
    if row.begin is None or row.end is None:
        return tag("div", row.note, cls="lane none", title=row.note)
    width = (row.end - row.begin) / line.seconds
    span = f"from {row.begin:.2f} s to {row.end:.2f} s"
    bar = tag("div", cls="bar", style=f"left:{_percent(row.begin, line)};width:{width:.3%}")
    grid = (tag("i", style=f"left:{_percent(second, line)}") for second in ticks)
    return tag("div", *grid, bar, cls="lane", role="img", title=span, aria_label=span)


def _at_once(line: Timeline) -> Html:
    peak = line.peak()
    moments = sorted({0.0, *(edge for row in line.rows for edge in (row.begin, row.end) if edge is not None)})
    steps = []
    for begin, end in zip(moments, [*moments[1:], line.seconds], strict=True):
        height = 100 * line.running_at(begin) / peak
        x, width = 1000 * begin / line.seconds, 1000 * (end - begin) / line.seconds
        steps.append(tag("rect", x=f"{x:.2f}", y=f"{100 - height:.2f}", width=f"{width:.2f}", height=f"{height:.2f}"))
    label = f"At most {peak} at once"
    drawing = tag("svg", *steps, viewBox="0 0 1000 100", preserveAspectRatio="none", role="img", aria_label=label)
    return tag(
        "tr",
        tag("th", "At once", scope="row"),
        tag("td", f"up to {peak}"),
        tag("td", drawing, cls="chart"),
        tag("td", colspan="3"),
        cls="at-once",
    )


def _failures(run: RunRecord) -> list[Html]:
    failed = [task for task in run.tasks if task.error]
    return [tag("h2", "What went wrong"), *(_failure(task) for task in failed)] if failed else []


def _failure(task: TaskRecord) -> Html:
    error = dict(task.error or {})
    parts = [tag("p", tag("strong", task.name), f": {error.get('message', '')}")]
    parts += [tag("p", f"{label}: {error[key]}") for key, label in _ERROR_PARTS.items() if error.get(key)]
    if error.get("traceback"):
        parts.append(tag("details", tag("summary", "Traceback"), tag("pre", str(error["traceback"]))))
    return tag("article", *parts)


_ERROR_PARTS: Final = {"type": "Type", "cause": "Why", "next": "Next"}


def _percent(second: float, line: Timeline) -> str:
    return f"{second / line.seconds:.3%}"
