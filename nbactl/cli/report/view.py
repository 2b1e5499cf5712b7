"""The report as JSON, as text, and as a page in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.ask import place
from nbactl.cli.show.files import write_whole
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.reporting.report import length_text

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row
    from nbactl.config.settings import Settings
    from nbactl.reporting.measures import Durations, Night, PhaseTimes, Reliability
    from nbactl.reporting.report import Report

_SHOWN: Final = 8
_WRONG_SHOWN: Final = 3
_GOOD, _FAIR = 99.0, 95.0


def reported(found: Report, settings: Settings, html: Path | None) -> View:
    """Show the report; with `html` also write it as a page there."""
    data, written = report_json(found), None
    if html is not None:
        from nbactl.cli.report.page import report_page  # noqa: PLC0415 - only a page needs it

        written = write_whole(html, report_page(found, place(settings)))
        data["file"] = str(written)

    def show(console: Console) -> None:
        if written is not None:
            console.note(f"Wrote {written}.")
        else:
            _show(console, found, settings)

    return View(data, show, warnings=found.warnings)


def report_json(found: Report) -> dict[str, Any]:
    """Return the report as `data` of the envelope."""
    return {
        "period": {
            "since": found.since,
            "until": found.until,
            "first_date": found.nights[0].game_date if found.nights else None,
            "last_date": found.nights[-1].game_date if found.nights else None,
        },
        "reliability": {**_reliability_json(found.reliability), "runs": found.runs, "failed_runs": found.failed_runs},
        "phases": [_phase_json(phase) for phase in found.phases],
        "tasks": [
            {
                "name": task.name,
                "runs": task.runs,
                "attempts": task.attempts,
                "retries": task.retries,
                "failed": task.failed,
                "error_rate": task.error_rate,
                "last_error": task.error,
            }
            for task in found.tasks
        ],
        "cost": {
            "known": found.cost is not None,
            "reason": found.cost_unknown,
            "jobs": found.cost and found.cost.jobs,
            "bytes_billed": found.cost and found.cost.billed,
            "usd": found.cost and found.cost.price,
            "bytes_billed_before": found.cost and found.cost.billed_before,
        },
        "duplicates": {"caught": sum(found.duplicates.values()), **found.duplicates},
        "flags": list(found.flags),
        "incidents": [
            {
                "rule": one.rule,
                "subject": one.subject or None,
                "severity": one.severity,
                "title": one.title,
                "open": one.open,
                "since": one.since,
                "until": one.ended_at,
                "times": len(one.past) + one.open,
            }
            for one in found.incidents
            if not one.waiting
        ],
        "jobs": [{"name": name, "what": what} for name, what in found.jobs.items()],
        "alerts": list(found.alerts),
        "healed": [
            {
                "at": entry.at,
                "action": entry.change.action,
                "touches": list(entry.change.touches),
                "outcome": entry.outcome,
                "by": entry.by,
            }
            for entry in found.repairs
        ],
        "nights": [
            {
                "game_date": night.game_date,
                **_reliability_json(night.reliability),
                "wrong": list(night.wrong),
                "idle": night.idle,
            }
            for night in found.nights
        ],
        "worst_nights": [str(night.game_date) for night in found.worst],
    }


def _reliability_json(found: Reliability) -> dict[str, Any]:
    return {"percent": found.percent, "due": found.due, "on_time": found.on_time, "late": found.late}


def _phase_json(phase: PhaseTimes) -> dict[str, Any]:
    return {
        "name": phase.name,
        **_durations_json(phase.now),
        "failed": phase.failed,
        "baseline": _durations_json(phase.before),
        "change": phase.change,
        "nights": [{"game_date": day, "seconds": seconds} for day, seconds in phase.nights],
    }


def _durations_json(found: Durations) -> dict[str, Any]:
    return {"runs": found.runs, "median_s": found.median, "p95_s": found.p95}


def _show(console: Console, found: Report, settings: Settings) -> None:
    span = f"{found.nights[0].game_date} to {found.nights[-1].game_date}" if found.nights else moment(found.since)
    length = length_text(found.until - found.since)
    console.print(Styled(f"Report {span}", "bold"), f", {length} on {place(settings)}")
    console.print()
    for name, text in summary(found):
        console.out.print_hanging(Styled(f"{name:<13}", "bold"), text=text, indent=13, width=min(80, console.out.width))
    _show_phases(console, found)
    failed = [task for task in found.tasks if task.failed_attempts]
    rows: list[Row] = [
        (task.name, str(task.attempts), str(task.retries), str(task.failed), percent(100 * task.error_rate), task.error)
        for task in failed[:_SHOWN]
    ]
    heads = ("task", "attempts", "retries", "failed", "errors", "last error")
    _section(console, "Tasks that failed or were tried again", rows, heads)
    console.showing(len(rows), len(failed), "tasks that failed", more="Use -o json for all.")
    worst = found.worst
    rows = [(str(night.game_date), night_text(night), wrong_text(night)) for night in worst[:_SHOWN]]
    _section(console, "Worst nights", rows, ("date", "on time", "what was not"))
    console.showing(len(rows), len(worst), "nights", more="Use -o json for all.")
    rows = [
        (moment(one.since), one.severity, "open" if one.open else "ended", one.title)
        for one in found.incidents[:_SHOWN]
        if not one.waiting
    ]
    _section(console, "Incidents", rows, ("since", "severity", "state", "what"))
    rows = [(name, found.jobs[name]) for name in list(found.jobs)[:_SHOWN]]
    _section(console, "Scheduled jobs", rows, ("job", "what is wrong"))
    rows = [
        (moment(change.at), change.key, f"{change.percent:g} %" if change.enabled else "off", change.by, change.reason)
        for change in found.flags[:_SHOWN]
    ]
    _section(console, "Flags", rows, ("changed", "flag", "to", "by", "reason"))
    console.showing(len(rows), len(found.flags), "changes of flags", more="Use -o json for all.")


def summary(found: Report) -> list[tuple[str, str]]:
    """Return the main numbers as names and sentences."""
    reliable, share = found.reliability, found.failed_runs / found.runs if found.runs else 0.0
    if reliable.percent is None:
        text = "not known: no required output was due"
    else:
        absent = reliable.due - reliable.on_time - reliable.late
        text = (
            f"{percent(reliable.percent)}: {reliable.on_time:,} of {reliable.due:,} required outputs were complete on "
            f"time, {reliable.late:,} were late, {absent:,} are not complete"
        )
    lines = [
        ("Reliability", text),
        ("Runs", f"{found.runs:,} ended, {found.failed_runs:,} failed ({percent(100 * share)})"),
        ("Cost", cost_text(found)),
        ("Duplicates", duplicates_text(found)),
    ]
    if found.repairs:
        done = sum(entry.outcome == "done" for entry in found.repairs)
        lines.append(("Healed", f"{done:,} of {len(found.repairs):,} repairs done"))
    if found.alerts:
        waiting = sum(alert.sent_at is None for alert in found.alerts)
        lines.append(("Alerts", f"{len(found.alerts):,} to Slack{f', {waiting} not sent yet' if waiting else ''}"))
    return lines


def cost_text(found: Report) -> str:
    """Return what queries cost in a sentence."""
    if found.cost is None:
        return f"not known: {found.cost_unknown}"
    cost = found.cost
    change = f", {(cost.billed / cost.billed_before - 1):+.0%} against the time before" if cost.billed_before else ""
    return f"{cost.price:,.2f} USD: {cost.billed / 2**30:,.1f} GiB billed by {cost.jobs:,} jobs{change}"


def duplicates_text(found: Report) -> str:
    """Return what was caught in a sentence."""
    if not found.duplicates:
        return "none was caught"
    return ", ".join(f"{count:,} {name}" for name, count in found.duplicates.items()) + " caught"


def percent(value: float) -> str:
    """Return `97.3 %`; what is not all is never shown as 100."""
    return "100 %" if value == 100 else f"{min(value, 99.9):.1f} %"  # noqa: PLR2004 - per cent


def seconds_text(value: float | None) -> str:
    """Return a duration, or a dash."""
    return "-" if value is None else format_duration(value)


def change_text(phase: PhaseTimes) -> str:
    """Return how the median changed."""
    return "-" if phase.change is None else f"{phase.change:+.0%}"


def wrong_text(night: Night) -> str:
    """Return the first things that were not there on time, and how many more."""
    more = len(night.wrong) - _WRONG_SHOWN
    return "; ".join((*night.wrong[:_WRONG_SHOWN], *([f"and {more} more"] if more > 0 else [])))


def night_text(night: Night) -> str:
    """Return `3 of 4`, or why nothing was expected."""
    part = night.reliability
    return f"{part.on_time} of {part.due}" if part.due else (night.idle or "nothing due")


def _show_phases(console: Console, found: Report) -> None:
    rows: list[Row] = [
        (
            phase.name,
            str(phase.now.runs),
            Styled(str(phase.failed), "red" if phase.failed else "dim"),
            seconds_text(phase.now.median),
            seconds_text(phase.now.p95),
            seconds_text(phase.before.median),
            change_text(phase),
        )
        for phase in found.phases
    ]
    heads = ("phase", "runs", "failed", "median", "p95", "30d before", "change")
    _section(console, "Durations", rows, heads)


def _section(console: Console, title: str, rows: list[Row], heads: tuple[str, ...]) -> None:
    if rows:
        console.print()
        console.print(Styled(title, "bold"))
        console.table(list(heads), rows)
