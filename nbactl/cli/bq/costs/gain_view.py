"""What a change has saved, as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.bq.costs.view import jobs_of, show_query
from nbactl.cli.query.command import size
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.errors import NbactlError, NotFoundError, PreconditionError

if TYPE_CHECKING:
    from nbactl.cli.bq.costs.command import PricedGain
    from nbactl.cli.show.console import Console
    from nbactl.warehouse.costs.gain import Gain, QueryGain

_SHOWN: Final = 10
_HASH: Final = 12


def gain_view(found: PricedGain) -> View:
    """Show the queries of a table before and after its change."""
    gain, prices = found.gain, found.prices

    def show(console: Console) -> None:
        if not gain.queries:
            return
        verb = "saved" if gain.billed <= gain.expected else "cost"
        usd = prices.billed(abs(gain.expected - gain.billed))
        console.print(
            Styled(f"{gain.table}: the change {verb} {size(abs(gain.expected - gain.billed))}, ${usd:,.2f}", "bold"),
            f" since {moment(gain.applied_at)}",
        )
        console.print(
            f"Its queries were billed {size(gain.billed)}; before, the same jobs cost {size(gain.expected)} "
            f"({_percent(gain.expected, gain.billed)})."
        )
        console.print()
        for query in gain.queries[:_SHOWN]:
            console.print(f"  {query.query_hash[:_HASH]}  {_facts(query)}")
            if query.query_hash in gain.texts:
                show_query(console, gain.texts[query.query_hash])
        console.showing(min(_SHOWN, len(gain.queries)), len(gain.queries), "queries")
        console.note(Styled("Jobs of the same weekdays (Eastern time) are compared, without cache hits.", "dim"))
        if gain.only_before or gain.only_after:
            console.note(
                Styled(f"Not comparable: {gain.only_before} queries of before, {gain.only_after} of after.", "dim")
            )

    data = {
        "table": gain.table,
        "applied_at": gain.applied_at,
        "ready_at": gain.ready_at,
        "until": gain.until,
        "expected_bytes": gain.expected,
        "bytes_billed": gain.billed,
        "saved_usd": prices.billed(gain.expected - gain.billed),
        "prices_as_of": prices.as_of,
        "queries": [_query(query, gain) for query in gain.queries],
        "only_before": gain.only_before,
        "only_after": gain.only_after,
    }
    error = _why_not(gain)
    return View(data, show, items="queries", exit_code=error.exit_code if error else 0, error=error)


def _why_not(gain: Gain) -> NbactlError | None:
    if not gain.is_ready:
        return PreconditionError(
            f"{gain.table} was changed less than 48 hours ago",
            cause=f"It was changed at {moment(gain.applied_at)}; a shorter time says little.",
            next_step=f"Run this again after {moment(gain.ready_at)}.",
        )
    if not gain.queries:
        return NotFoundError(
            f"no query of the baseline of {gain.table} ran again on the same weekday",
            cause=f"{gain.only_before} queries were captured, {gain.only_after} others ran since.",
            next_step="Run this again when a week has passed.",
        )
    return None


def _facts(query: QueryGain) -> str:
    return (
        f"{size(round(query.bytes_before))} → {size(round(query.bytes_after))} a job "
        f"({_percent(query.bytes_before, query.bytes_after)}), {query.jobs_before:,} → {jobs_of(query.jobs_after)}"
    )


def _percent(before: float, after: float) -> str:
    if not before:
        return "nothing before" if after else "0 %"
    return f"{100 * (after - before) / before:+,.0f} %"


def _query(query: QueryGain, gain: Gain) -> dict[str, Any]:
    return {
        "query_hash": query.query_hash,
        "text": gain.texts.get(query.query_hash),
        "jobs_before": query.jobs_before,
        "jobs_after": query.jobs_after,
        "bytes_before": round(query.bytes_before),
        "bytes_after": round(query.bytes_after),
        "slot_ms_before": round(query.slot_ms_before),
        "slot_ms_after": round(query.slot_ms_after),
        "expected_bytes": query.expected,
        "bytes_billed": query.billed,
    }
