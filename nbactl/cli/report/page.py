"""The report as one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.cli.report.charts import calendar_chart, duration_charts, reliability_chart, share_text, shown, table
from nbactl.cli.report.view import cost_text, duplicates_text, night_text, percent, wrong_text
from nbactl.cli.show.markup import Html, tag
from nbactl.cli.show.page import html_page
from nbactl.cli.show.times import moment
from nbactl.outputs.html import grid_html
from nbactl.reporting.report import length_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.reporting.report import Report

_SHOWN: Final = 20


def report_page(found: Report, place: str) -> str:
    """Return the page; `place` is the target with its project."""
    span = f"{found.nights[0].game_date} to {found.nights[-1].game_date}" if found.nights else moment(found.since)
    title = f"Report {span}"
    length = length_text(found.until - found.since)
    lead = tag("p", f"{length} until {moment(found.until)}, {shown(place)}", cls="soft")
    parts = [tag("h1", title), lead, _tiles(found), *_sections(found)]
    return html_page(shown(f"{title}, {place}"), "nbactl.cli.report/report.css", parts)


def _tiles(found: Report) -> Html:
    part = found.reliability
    share = found.failed_runs / found.runs if found.runs else 0.0
    tiles = [
        ("Reliability", share_text(part.percent), f"{part.on_time:,} of {part.due:,} required outputs on time"),
        ("Runs", f"{found.runs:,}", f"{found.failed_runs:,} failed ({percent(100 * share)})"),
        ("Cost", "-" if found.cost is None else f"${found.cost.price:,.2f}", cost_text(found)),
        ("Duplicates caught", f"{sum(found.duplicates.values()):,}", duplicates_text(found)),
        ("Healed", f"{len(found.repairs):,}", "repairs by nbactl heal"),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", tag("strong", number), tag("span", shown(text), cls="soft")))
            for name, number, text in tiles
        ),
        cls="tiles",
    )


def _sections(found: Report) -> Iterator[Html]:
    if found.nights:
        yield tag("h2", "Reliability by night")
        yield reliability_chart(found.nights)
        yield tag("h2", "Calendar")
        yield calendar_chart(found.nights)
    if found.grid is not None and found.grid.outputs:
        yield tag("h2", "Expected outputs")
        yield Html(grid_html(found.grid))
    if found.phases:
        yield tag("h2", "Durations")
        yield duration_charts(found.phases)
    failed = [task for task in found.tasks if task.failed_attempts]
    rows = [
        (
            task.name,
            str(task.attempts),
            str(task.retries),
            str(task.failed),
            percent(100 * task.error_rate),
            task.error or "",
        )
        for task in failed
    ]
    heads = ("Task", "Attempts", "Retries", "Failed", "Errors", "Last error")
    yield from _section("Tasks that failed or were tried again", heads, rows, numeric=(1, 2, 3, 4))
    rows3 = [(str(night.game_date), night_text(night), wrong_text(night)) for night in found.worst]
    yield from _section("Worst nights", ("Date", "On time", "What was not"), rows3)
    incidents = [
        (moment(one.since), one.severity, "open" if one.open else "ended", one.title)
        for one in found.incidents
        if not one.waiting
    ]
    yield from _section("Incidents", ("Since", "Severity", "State", "What"), incidents)
    repairs = [
        (moment(entry.at), entry.change.action, ", ".join(entry.change.touches), entry.outcome)
        for entry in found.repairs
    ]
    yield from _section("Healed", ("At", "Kind", "Object", "Outcome"), repairs)
    changes = [
        (moment(one.at), one.key, f"{one.percent:g} %" if one.enabled else "off", one.by, one.reason or "")
        for one in found.flags
    ]
    yield from _section("Changes of flags", ("At", "Flag", "To", "By", "Reason"), changes)
    if found.warnings:
        yield tag("h2", "What is not in these numbers")
        yield tag("ul", *(tag("li", shown(text)) for text in found.warnings))


def _section(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()
) -> Iterator[Html]:
    """Yield a heading and its table, nothing if there is no row."""
    if rows:
        yield tag("h2", title)
        yield table(title, heads, rows[:_SHOWN], numeric)
        if len(rows) > _SHOWN:
            yield tag("p", f"{len(rows) - _SHOWN:,} more: nbactl report -o json", cls="soft")
