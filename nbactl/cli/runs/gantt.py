"""Timelines as lines for a terminal of any width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from nbactl.cli.runs.timeline import Row, Timeline, group_timeline, tick_label, timeline
from nbactl.cli.show.states import look
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.workflows.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.workflows.model import RunRecord

_NAME_LIMIT: Final = 32
_NAME_LEAST: Final = 8
_CHART_LEAST: Final = 12
_CHART_MOST: Final = 160
_HEIGHTS: Final = " ▁▂▃▄▅▆▇█"


Line = list[Styled]


def gantt_lines(run: RunRecord, now: datetime, width: int) -> list[Line]:
    """Draw `run` in lines of at most `width` cells: an axis, a bar for each task, how many ran at once."""
    return _lines(timeline(run, now), width)


def group_lines(runs: Sequence[tuple[RunRecord, str]], now: datetime, width: int) -> list[Line]:
    """Draw the runs of a group, each with its state: an axis and a bar for each run."""
    return _lines(group_timeline(runs, now), width)


def _lines(line: Timeline, width: int) -> list[Line]:
    name_width, chart, with_duration = _columns(line, width)
    lines = [_axis(line, name_width, chart)] if chart else []
    lines += [_task_line(line, row, name_width, chart, with_duration=with_duration) for row in line.rows]
    if chart and line.peak():
        lines.append(_concurrency(line, name_width, chart))
    return [_clip(pieces, width) for pieces in lines]


def _columns(line: Timeline, width: int) -> tuple[int, int, bool]:
    """Share `width` between name, chart and duration; the chart and then the duration give way when it is tight."""
    longest = max((cell_len(row.label) for row in line.rows), default=0)
    name = min(longest, _NAME_LIMIT, max(_NAME_LEAST, width * 3 // 8))
    tail = 1 + max((cell_len(_duration(row)) for row in line.rows), default=0)
    room = width - 2 - name - 2
    if room - tail >= _CHART_LEAST:
        return name, min(room - tail, _CHART_MOST), True
    if room >= _CHART_LEAST:
        return name, room, False
    return min(longest, max(1, width - 2)), 0, True


def _axis(line: Timeline, name_width: int, chart: int) -> Line:
    ticks = line.ticks(max(3, chart // 8))
    step = ticks[1] - ticks[0] if len(ticks) > 1 else line.seconds
    cells = [" "] * chart
    free = 0
    for second in ticks:
        label = tick_label(second, step)
        column = min(int(second / line.seconds * chart), chart - 1)
        if column >= free and column + 1 + len(label) <= chart:
            cells[column : column + 1 + len(label)] = list("╷" + label)
            free = column + len(label) + 2
    return [Styled(" " * (2 + name_width + 2) + "".join(cells), "dim")]


def _task_line(line: Timeline, row: Row, name_width: int, chart: int, *, with_duration: bool) -> Line:
    state = look(row.state)
    style = "dim" if row.is_carried else state.style
    head = [
        Styled(state.glyph, style),
        Styled(" " + set_cell_size(_shortened(row.label, name_width), name_width), ""),
    ]
    if not chart:
        return [*head, Styled(f" {_duration(row)}", "dim")]
    if row.begin is None or row.end is None:
        return [*head, Styled("  " + _shortened(f"· {row.note}", chart), "dim")]
    left, right = _span(row.begin, row.end, line.seconds, chart)
    bar = ("▒" if row.state == TaskStatus.RUNNING else "█") * (right - left)
    tail = " " * (chart - right) + (f" {_duration(row)}" if with_duration else "")
    return [*head, Styled("  " + "·" * left, "dim"), Styled(bar, style), Styled(tail, "dim")]


def _concurrency(line: Timeline, name_width: int, chart: int) -> Line:
    cell = line.seconds / chart
    counts = [line.busiest(index * cell, (index + 1) * cell) for index in range(chart)]
    peak = max(line.peak(), *counts)
    bars = "".join(_HEIGHTS[0 if not count else max(1, round(count / peak * 8))] for count in counts)
    label = set_cell_size(_shortened(f"{peak} at once", name_width), name_width)
    return [Styled(f"  {label}  {bars}", "dim")]


def _span(begin: float, end: float, seconds: float, chart: int) -> tuple[int, int]:
    """Return the cells of a bar: at least one, inside the chart."""
    left = min(int(begin / seconds * chart), chart - 1)
    return left, max(left + 1, min(chart, round(end / seconds * chart)))


def _duration(row: Row) -> str:
    if row.duration is None:
        return ""
    times = f" x{row.attempts}" if row.attempts > 1 else ""
    return format_duration(row.duration) + times


def _shortened(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)) + "…"


def _clip(pieces: Line, width: int) -> Line:
    """Cut a line to `width` cells, and blanks off its end."""
    clipped: Line = []
    for piece in pieces:
        room = width - sum(cell_len(kept.text) for kept in clipped)
        fits = cell_len(piece.text) <= room
        clipped.append(piece if fits else Styled(set_cell_size(piece.text, max(room, 0)), piece.style))
    while clipped and not clipped[-1].text.rstrip():
        clipped.pop()
    return [*clipped[:-1], Styled(clipped[-1].text.rstrip(), clipped[-1].style)] if clipped else []
