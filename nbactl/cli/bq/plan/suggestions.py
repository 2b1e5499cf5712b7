"""Suggestions for clustering as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.bq.plan.command import DAYS
from nbactl.cli.bq.plan.view import document
from nbactl.cli.query.command import size
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.bq.plan.command import Advice, BqPlan
    from nbactl.cli.show.console import Console
    from nbactl.warehouse.suggest.advice import Candidate

_SHOWN: Final = 6
"""Candidates of a table that are shown without -o wide."""
_HOW: Final = {"equality": "equal to a value", "range": "by range", "join": "joined"}


def suggestions_view(plan: BqPlan, advice: Sequence[Advice], *, asked: bool) -> View:
    """Show what to cluster each table by, and why; tables without a suggestion only if they were asked for."""
    made = [one for one in advice if one.suggestion.verdict == "suggested"]
    others = [one for one in advice if one.suggestion.verdict != "suggested"]
    shown = [one for one in others if asked or one.suggestion.verdict == "too_small"]

    def show(console: Console) -> None:
        for one in made:
            _show_suggestion(console, one)
        for one in shown:
            console.print(Styled(one.suggestion.table, "bold"), Styled(f"  {one.suggestion.reason}", "dim"))
        tables = f"{len(advice)} table{'s' if len(advice) != 1 else ''}"
        summary = (
            f"{len(made)} of {tables} would gain by another clustering."
            if made
            else f"Nothing to suggest for {tables}."
        )
        console.note(Styled(f"{summary} This is advice from {DAYS} days of queries; nothing was changed.", "dim"))

    data = {
        **document(plan),
        "suggestions": [_json(one) for one in made],
        "not_suggested": [
            {"table": one.suggestion.table, "verdict": one.suggestion.verdict, "reason": one.suggestion.reason}
            for one in others
        ],
    }
    return View(data, show, items="suggestions", warnings=plan.notes, paged=True)


def _show_suggestion(console: Console, one: Advice) -> None:
    found = one.suggestion
    now = f"now by {', '.join(found.current)}" if found.current else "not clustered now"
    console.print(Styled(found.table, "bold"), Styled(f"  {now}", "dim"))
    console.print(f"  cluster_by: {_yaml(found.columns)}")
    kept = found.candidates if console.out.wide else found.candidates[:_SHOWN]
    for candidate in kept:
        used = "" if candidate.column in {name.lower() for name in found.columns} else " (not used)"
        console.print(f"    {candidate.column}: {_reason(candidate)}{used}")
    console.print(f"  billed in {DAYS} days: {size(found.bytes_billed)}, which is the upper bound of what it will be.")
    if one.upper_bound is not None:
        console.print(f"  a dry run of one of its dearest: up to {size(one.upper_bound)}, with or without clustering.")
    if one.estimate is not None:
        estimated = one.estimate
        values = ", ".join(f"{count:,} {name}" for name, count in estimated.distinct.items())
        console.print(f"  estimate from a sample, not a promise: {size(estimated.bytes_billed)} in {DAYS} days.")
        console.print(Styled(f"    {estimated.rows:,} rows with {values}; blocks of 64 MB are assumed.", "dim"))


def _reason(candidate: Candidate) -> str:
    runs = f"{candidate.queries:,} quer{'ies' if candidate.queries != 1 else 'y'}"
    return f"{_HOW[candidate.kind]} in {runs}, {size(candidate.bytes_billed)} billed"


def _yaml(columns: Sequence[str]) -> str:
    return f"[{', '.join(columns)}]"


def _json(one: Advice) -> dict[str, Any]:
    found, estimated = one.suggestion, one.estimate
    return {
        "table": found.table,
        "columns": list(found.columns),
        "current": list(found.current),
        "yaml": f"cluster_by: {_yaml(found.columns)}",
        "reasons": [
            {
                "column": candidate.column,
                "use": candidate.kind,
                "queries": candidate.queries,
                "bytes_billed": candidate.bytes_billed,
                "used": candidate.column in {name.lower() for name in found.columns},
                "text": _reason(candidate),
            }
            for candidate in found.candidates
        ],
        "days": DAYS,
        "queries": sum(query.query.runs for query in found.queries),
        "bytes_billed": found.bytes_billed,
        "dry_run_bytes": one.upper_bound,
        "estimate": None
        if estimated is None
        else {
            "is_estimate": True,
            "bytes_billed": estimated.bytes_billed,
            "sampled_rows": estimated.rows,
            "distinct_values": dict(estimated.distinct),
        },
    }
