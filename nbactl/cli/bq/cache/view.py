"""Hit rates as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.cli.bq.costs.view import jobs_of, show_query
from nbactl.cli.query.command import size
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from nbactl.cli.bq.cache.command import CacheStatus
    from nbactl.cli.show.console import Console
    from nbactl.warehouse.costs.cache import HitRate, UncachedQuery

_HASH = 12
_SHOWN = 5


def cache_view(found: CacheStatus) -> View:
    """Show both hit rates by kind, and the repeated queries that are not cached, with reasons."""
    report = found.report

    def show(console: Console) -> None:
        console.table(
            ["kind", "BigQuery's cache", "of", "own cache", "of", "bypassed", "kept for"],
            [
                [
                    kind,
                    _rate(report.engine[kind]),
                    f"{report.engine[kind].asked:,}",
                    _rate(report.own[kind]),
                    f"{report.own[kind].asked:,}",
                    f"{report.own[kind].bypassed:,}",
                    format_duration(seconds),
                ]
                for kind, seconds in found.ttl.items()
            ],
            optional=["bypassed"],
        )
        if report.queries:
            console.print()
            console.print(Styled("Queries that ran again and were not cached", "bold"))
        for query in report.queries[: None if console.out.wide else _SHOWN]:
            console.print(f"  {query.query_hash[:_HASH]}  {size(query.billed)}, {jobs_of(query.jobs)}, {query.kind}")
            if query.text:
                show_query(console, query.text)
            for reason in query.reasons:
                console.out.print_hanging(Styled("    why: ", "yellow"), text=reason, indent=9)
        if not any(rate.asked for rate in report.own.values()):
            console.note(Styled("The own cache was asked nothing: see the flag query_caching.", "dim"))
        console.note(Styled("BigQuery keeps a result for 24 hours, for each user.", "dim"))

    data = {
        "since": report.since,
        "until": report.until,
        "kinds": [
            {
                "kind": kind,
                "engine": _rate_json(report.engine[kind]),
                "own": {**_rate_json(report.own[kind]), "bypassed": report.own[kind].bypassed},
                "ttl_seconds": seconds,
            }
            for kind, seconds in found.ttl.items()
        ],
        "queries": [_query(query) for query in report.queries],
    }
    return View(data, show, items="kinds", paged=True)


def _rate(rate: HitRate) -> str | None:
    return None if rate.percent is None else f"{rate.percent:.0f} %"


def _rate_json(rate: HitRate) -> dict[str, Any]:
    percent = None if rate.percent is None else round(rate.percent, 1)
    return {"asked": rate.asked, "hits": rate.hits, "percent": percent}


def _query(query: UncachedQuery) -> dict[str, Any]:
    return {
        "query_hash": query.query_hash,
        "kind": query.kind,
        "jobs": query.jobs,
        "users": query.users,
        "bytes_billed": query.billed,
        "text": query.text,
        "reasons": list(query.reasons),
    }
