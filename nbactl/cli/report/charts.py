"""The charts of a report: SVG made here, each with a table of the same numbers.

Shapes are drawn in SVG that is stretched to the width of the page, text is HTML beside it; the calendar is not
stretched, so its text is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.cli.report.view import change_text, night_text, percent, seconds_text, wrong_text
from nbactl.cli.show.markup import Html, tag
from nbactl.core._support.controls import visible
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.reporting.measures import Night, PhaseTimes

_CELL, _GAP, _HEAD = 44, 4, 22
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ALL, _MOST = 1.0, 0.8
_LONGEST: Final = 200
"""Characters of a text that comes from data."""
_CARDS: Final = 3
"""From so many columns on a table does not fit on a phone."""


def reliability_chart(nights: Sequence[Night]) -> Html:
    """Draw a bar for each night: what was on time, later, and not at all."""
    width = 1000 / max(1, len(nights))
    bars = []
    for index, night in enumerate(nights):
        part, x = night.reliability, index * width + width * 0.1
        if not part.due:
            bars.append(_bar("none", x, 98, width * 0.8, 2))
            continue
        top = 0.0
        for style, count in (("bad", part.due - part.on_time - part.late), ("warn", part.late), ("good", part.on_time)):
            height = 100 * count / part.due
            if height:
                bars.append(_bar(style, x, top, width * 0.8, height))
            top += height
    drawing = tag(
        "svg",
        *bars,
        viewBox="0 0 1000 100",
        preserveAspectRatio="none",
        role="img",
        aria_label="Share of the outputs of each night that were on time",
        style="height:9rem",
    )
    keys = [
        part
        for style, word in (("good", "on time"), ("warn", "late"), ("bad", "not complete"))
        for part in (tag("span", cls=f"key {style}"), Html(word))
    ]
    rows = [(str(night.game_date), night_text(night), wrong_text(night)) for night in nights]
    return tag(
        "figure",
        tag("figcaption", *keys),
        drawing,
        _axis(nights[0].game_date, nights[-1].game_date) if nights else Html(""),
        _numbers(("Date", "On time", "What was not on time"), rows),
    )


def calendar_chart(nights: Sequence[Night]) -> Html:
    """Draw the nights as a calendar, one row a week; the numbers are those of the chart above it."""
    first = nights[0].game_date
    start = first.plus(-first.day.weekday())
    step = _CELL + _GAP
    cells = [
        tag("text", name, x=str(index * step + _CELL // 2), y="14", cls="head") for index, name in enumerate(_WEEKDAYS)
    ]
    weeks = 0
    for night in nights:
        days = (night.game_date.day - start.day).days
        weeks, column = days // 7 + 1, days % 7
        x, y = column * step, _HEAD + (weeks - 1) * step
        part = night.reliability
        share = part.on_time / part.due if part.due else None
        style = "none" if share is None else "good" if share == _ALL else "warn" if share >= _MOST else "bad"
        said = f"{night.game_date}: {night_text(night)}{'' if share is None else ' on time'}"
        middle = str(x + _CELL // 2)
        label = "" if share is None else f"{int(100 * share)} %"
        cells.append(
            tag(
                "g",
                tag("title", shown(said)),
                tag("rect", x=str(x), y=str(y), width=str(_CELL), height=str(_CELL), cls=style),
                tag("text", str(night.game_date.day.day), x=middle, y=str(y + 18), cls=f"on-{style}"),
                tag("text", label, x=middle, y=str(y + 35), cls=f"on-{style}"),
            )
        )
    size = f"0 0 {7 * step - _GAP} {_HEAD + weeks * step - _GAP}"
    words = "Calendar of the nights: green all on time, yellow at least 80 %, red less, grey nothing due"
    return tag(
        "figure",
        tag("figcaption", "Green: all on time. Amber: at least 80 %. Red: less. Grey: nothing due."),
        tag("svg", *cells, viewBox=size, role="img", aria_label=words),
        cls="calendar",
    )


def duration_charts(phases: Sequence[PhaseTimes]) -> Html:
    """Draw how long each phase took, night by night, with the median of the time before as a dashed line."""
    return tag("div", *map(_duration, phases), cls="phases")


def _duration(phase: PhaseTimes) -> Html:
    times, before = phase.nights, phase.before.median
    top = 1.1 * max([*(seconds for _, seconds in times), before or 0.0, 0.001])
    points = []
    if times:
        first, last = times[0][0], times[-1][0]
        span = max(1, (last.day - first.day).days)
        points = [(1000 * (day.day - first.day).days / span, 100 - 100 * seconds / top) for day, seconds in times]
    marks = [tag("line", x1="0", x2="1000", y1="100", y2="100", cls="rule")]
    if before is not None:
        y = f"{100 - 100 * before / top:.1f}"
        marks.append(tag("line", x1="0", x2="1000", y1=y, y2=y, cls="before"))
    if len(points) > 1:
        marks.append(tag("polyline", points=" ".join(f"{x:.0f},{y:.1f}" for x, y in points), cls="trend"))
    elif points:
        marks.append(_bar("dot", 490, points[0][1], 20, 100 - points[0][1]))
    name = shown(phase.name)
    label = f"{name}: median {seconds_text(phase.now.median)}, before {seconds_text(before)}"
    rows = [(str(day), seconds_text(seconds)) for day, seconds in times]
    return tag(
        "figure",
        tag("h3", name),
        tag(
            "p",
            f"median {seconds_text(phase.now.median)}, p95 {seconds_text(phase.now.p95)}; "
            f"{_before(phase)}; "
            f"{phase.now.runs} runs, {phase.failed} failed",
            cls="soft",
        ),
        tag("svg", *marks, viewBox="0 0 1000 100", preserveAspectRatio="none", role="img", aria_label=label),
        _axis(times[0][0], times[-1][0]) if times else Html(""),
        _numbers(("Date", "Took"), rows),
    )


def _before(phase: PhaseTimes) -> str:
    median = phase.before.median
    if median is None:
        return "no run in the 30 days before"
    return f"30 days before {seconds_text(median)} ({change_text(phase)})"


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> Html:
    """Return a table. One of many columns is a list of cards on a phone, and has roles, which that would lose."""
    cards = len(heads) >= _CARDS
    style = ["number" if index in numeric else "" for index in range(len(heads))]

    def cell(element: str, text: str, index: int, role: str, **more: str) -> Html:
        roles = {"role": role, "data_label": heads[index]} if cards else {}
        return tag(element, shown(text), cls=style[index], **more, **roles)

    row = {"role": "row"} if cards else {}
    head = tag("tr", *(cell("th", name, at, "columnheader", scope="col") for at, name in enumerate(heads)), **row)
    body = [
        tag(
            "tr",
            cell("th", line[0], 0, "rowheader", scope="row"),
            *(cell("td", text, at, "cell") for at, text in enumerate(line[1:], 1)),
            **row,
        )
        for line in rows
    ]
    made = (tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("table", *made, cls="cards", role="table") if cards else tag("table", *made)


def shown(text: str) -> str:
    """Return text of data as it is shown: without secrets and control characters, and not too long."""
    safe = visible(mask(text))
    return safe if len(safe) <= _LONGEST else f"{safe[: _LONGEST - 1]}…"


def share_text(share: float | None) -> str:
    """Return a percentage, or a dash."""
    return "-" if share is None else percent(share)


def _numbers(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """Return the numbers of a chart; the table is as small as it can be, for there is one a chart."""
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    body = [tag("tr", tag("th", line[0], scope="row"), *(tag("td", shown(text)) for text in line[1:])) for line in rows]
    made = (tag("caption", "Numbers"), tag("thead", head), tag("tbody", *body))
    return tag("details", tag("summary", "Numbers"), tag("table", *made))


def _bar(style: str, x: float, y: float, width: float, height: float) -> Html:
    return tag("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", cls=style)


def _axis(first: GameDate, last: GameDate) -> Html:
    ends = (first,) if first == last else (first, last)
    return tag("div", *(tag("span", str(day)) for day in ends), cls="axis")
