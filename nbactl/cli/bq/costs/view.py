"""Costs as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.query.command import size
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.core._support.gamedate import EASTERN
from nbactl.warehouse.costs.usage import NONE
from nbactl.warehouse.sql.normalized import normalized

if TYPE_CHECKING:
    from datetime import timedelta

    from nbactl.cli.bq.costs.command import PricedCosts
    from nbactl.cli.show.console import Console
    from nbactl.warehouse.costs.anomaly import Anomaly
    from nbactl.warehouse.costs.usage import GroupUsage, Usage
    from nbactl.warehouse.prices import Prices

_SHOWN: Final = 20
_QUERIES: Final = 5
_ANOMALIES: Final = 5
_HASH: Final = 12
"""Characters of a hash that are shown."""
_TEXT: Final = 200
"""Characters of a query that are shown without -o wide."""
_EDITIONS: Final = {"standard": "Standard", "enterprise": "Enterprise", "enterprise_plus": "Enterprise Plus"}


def costs_view(found: PricedCosts, *, limit: int) -> View:
    """Show what jobs cost, which queries cost most, and which days are unusual."""
    report, prices = found.report, found.prices
    request = report.request
    heading = request.label if request.by == "label" else request.by

    def show(console: Console) -> None:
        console.print(Styled(_headline(report.total, prices), "bold"))
        console.out.print_hanging("", text=_trend(report.total, report.before, report.until - report.since), indent=0)
        console.print()
        shown = report.groups[:limit]
        columns = [heading, "billed", "price", "before", "jobs", "cached", "slot hours"]
        rows = [_row(found, group) for group in shown]
        console.table(columns, rows, optional=["slot hours", "cached", "before"])
        console.showing(len(shown), len(report.groups), "groups", more="Use --limit.")
        if request.by == "table":
            console.note(Styled("A job counts in full for each table that it reads: do not add the rows up.", "dim"))
        _show_queries(console, found)
        _show_anomalies(console, found)
        console.print()
        console.print(Styled("Slots instead of bytes", "bold"))
        console.out.print_hanging("  ", text=_capacity(found), indent=2)
        console.note(Styled(f"Prices of {prices.as_of}, without the free first TiB of a month.", "dim"))

    data = {
        "since": report.since,
        "until": report.until,
        "by": request.by,
        "label": request.label if request.by == "label" else None,
        "prices_as_of": prices.as_of,
        "history_from": report.first_day,
        "total": _usage(report.total, prices),
        "before": _usage(report.before, prices),
        "groups": [_group(group, found) for group in report.groups],
        "queries": [
            {"query_hash": query.name, "text": report.texts[query.name], **_usage(query.now, prices)}
            for query in report.queries
            if query.name in report.texts
        ],
        "anomalies": [_anomaly(anomaly, prices) for anomaly in report.anomalies],
        "capacity_usd": prices.capacity(report.total.slot_hours),
    }
    csv: list[list[Any]] = [
        [heading, "bytes_billed", "usd", "jobs", "failed", "cache_hits", "slot_ms"],
        *(
            [
                one.name, one.now.billed, prices.billed(one.now.billed), one.now.jobs, one.now.failed,
                one.now.cache_hits, one.now.slot_ms,
            ]
            for one in report.groups
        ),
    ]  # fmt: skip
    return View(data, show, items="groups", csv=csv, paged=True, warnings=_warnings(found))


def _warnings(found: PricedCosts) -> tuple[str, ...]:
    """Say so if the time before is not known whole, or no job has the label."""
    report, said = found.report, []
    begin = (report.since - (report.until - report.since)).astimezone(EASTERN).date()
    if report.first_day is not None and report.first_day > begin:
        said.append(f"the history of jobs begins on {report.first_day}: less is known of the time before")
    if report.request.by == "label" and [group.name for group in report.groups] == [NONE]:
        said.append(f"no job has the label {report.request.label}")
    return tuple(said)


def _headline(total: Usage, prices: Prices) -> str:
    return f"${prices.billed(total.billed):,.2f} on demand for {size(total.billed)} billed, {jobs_of(total.jobs)}"


def _trend(total: Usage, before: Usage, window: timedelta) -> str:
    days = format_days(window)
    facts = [
        f"{total.slot_hours:,.1f} slot hours",
        f"{share(total.cache_hits, total.jobs)} answered by the cache",
        f"{total.failed:,} failed",
    ]
    change = "no jobs" if not before.jobs else f"{_change(total.billed, before.billed)} than"
    return f"Last {days}: {', '.join(facts)}. Bytes: {change} in the {days} before."


def format_days(window: timedelta) -> str:
    """Return `7d`, or hours and minutes of a time that is no number of days."""
    return f"{window.days}d" if not window.seconds else format_duration(window.total_seconds())


def jobs_of(count: int) -> str:
    """Return `1 job`, `1,234 jobs`."""
    return f"{count:,} job{'' if count == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """Return `41 %`, nothing of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else ""


def _change(now: int, before: int) -> str:
    if not before:
        return "all new, more"
    percent = 100 * (now - before) / before
    return f"{abs(percent):,.0f} % {'more' if percent >= 0 else 'less'}"


def _row(found: PricedCosts, group: GroupUsage) -> list[Any]:
    by, now = found.report.request.by, group.now
    return [
        group.name[:_HASH] if by == "query" and group.name in found.report.texts else group.name,
        size(now.billed),
        f"${found.prices.billed(now.billed):,.2f}",
        size(group.before.billed) if group.before.jobs else None,
        f"{now.jobs:,}",
        share(now.cache_hits, now.jobs),
        f"{now.slot_hours:,.1f}",
    ]


def _show_queries(console: Console, found: PricedCosts) -> None:
    report = found.report
    top = [query for query in report.queries if query.name in report.texts][: None if console.out.wide else _QUERIES]
    if not top:
        return
    console.print()
    console.print(Styled("Queries that cost most", "bold"))
    for query in top:
        usage = query.now
        facts = f"{size(usage.billed)}, ${found.prices.billed(usage.billed):,.2f}, {jobs_of(usage.jobs)}"
        console.print(f"  {query.name[:_HASH]}  {facts}")
        show_query(console, report.texts[query.name])


def show_query(console: Console, sql: str) -> None:
    """Show a query without its literals."""
    text = normalized(sql)
    if not console.out.wide and len(text) > _TEXT:
        text = f"{text[: _TEXT - 1]}…"
    console.out.print_hanging("    ", text=text, indent=4)


def _show_anomalies(console: Console, found: PricedCosts) -> None:
    anomalies = found.report.anomalies
    if not anomalies:
        return
    console.print()
    console.print(Styled("Unusual days", "bold"))
    for anomaly in anomalies[: None if console.out.wide else _ANOMALIES]:
        console.out.print_hanging("  ", text=_sentence(anomaly, found.prices), indent=4)
    console.showing(min(len(anomalies), _ANOMALIES), len(anomalies), "unusual days", more="Use -o wide.")


def _sentence(anomaly: Anomaly, prices: Prices) -> str:
    more = prices.billed(anomaly.billed - anomaly.median)
    return anomaly.sentence(size(anomaly.billed), size(anomaly.median), f"${more:,.2f}")


def _capacity(found: PricedCosts) -> str:
    hours = found.report.total.slot_hours
    priced = [f"{_EDITIONS[name]} ${usd:,.2f}" for name, usd in found.prices.capacity(hours).items()]
    return (
        f"{hours:,.1f} slot hours in a reservation would have cost at least {', '.join(priced)}. It is scaled in steps "
        f"of 50 slots for a minute at least, so that the true price is higher."
    )


def _usage(usage: Usage, prices: Prices) -> dict[str, Any]:
    return {
        "jobs": usage.jobs,
        "failed": usage.failed,
        "cache_hits": usage.cache_hits,
        "bytes_billed": usage.billed,
        "slot_ms": usage.slot_ms,
        "usd": prices.billed(usage.billed),
    }


def _group(group: GroupUsage, found: PricedCosts) -> dict[str, Any]:
    return {"name": group.name, **_usage(group.now, found.prices), "before": _usage(group.before, found.prices)}


def _anomaly(anomaly: Anomaly, prices: Prices) -> dict[str, Any]:
    return {
        "group": anomaly.group,
        "day": anomaly.day,
        "bytes_billed": anomaly.billed,
        "median": anomaly.median,
        "mad": anomaly.mad,
        "weekdays": anomaly.weekdays,
        "score": round(anomaly.score, 1),
        "text": _sentence(anomaly, prices),
    }
