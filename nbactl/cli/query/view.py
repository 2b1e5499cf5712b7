"""The answer to a query as JSON, as CSV and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.cli.query.command import size
from nbactl.cli.show.cells import json_rows
from nbactl.cli.show.grid import show_rows
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.query.command import QueryAnswer
    from nbactl.cli.show.console import Console


def answer(found: QueryAnswer, *, for_person: bool) -> View:
    """Show the rows of a query, or with --dry-run what it would read."""
    data = {
        "columns": columns(found.columns, found.types),
        "rows": json_rows(found.columns, found.types, found.rows),
        "bytes_processed": found.bytes_processed,
        "cache_hit": found.cache_hit,
        "truncated": found.truncated,
        "dry_run": found.request.dry_run,
        "usd": found.usd,
    }

    def show(console: Console) -> None:
        if found.request.dry_run:
            for name, kind in zip(found.columns, found.types or [""] * len(found.columns), strict=True):
                console.print(name, "  ", Styled(kind, "dim"))
        else:
            show_rows(console, found.columns, found.types, found.rows)
        console.note(Styled(_footer(found), "dim"))

    more = (_more(found),) if found.truncated and not for_person else ()
    return View(data, show, items="rows", notes=more, csv=[found.columns, *found.rows], paged=not found.request.dry_run)


def columns(names: Sequence[str], types: Sequence[str]) -> list[dict[str, Any]]:
    """Return columns for JSON."""
    kinds: Sequence[str | None] = types or [None] * len(names)
    return [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]


def rows_of(count: int) -> str:
    """Return `1 row`, `20 rows`, `No rows`."""
    return "1 row" if count == 1 else f"{count:,} rows" if count else "No rows"


def _footer(found: QueryAnswer) -> str:
    if found.request.dry_run:
        return f"The query is valid; nothing was run. {_cost(found) or 'Target local bills nothing.'}"
    cost = _cost(found)
    shown = _more(found) if found.truncated else f"{rows_of(len(found.rows))}."
    return f"{shown} {cost}" if cost else shown


def _more(found: QueryAnswer) -> str:
    return f"The first {rows_of(len(found.rows))}; there are more. --limit N shows more."


def _cost(found: QueryAnswer) -> str:
    if found.usd is None or found.bytes_processed is None:
        return ""
    if found.cache_hit:
        return "Answered from the cache: nothing is billed."
    verb = "would read up to" if found.request.dry_run else "read"
    return f"It {verb} {size(found.bytes_processed)}: about ${found.usd:.4f}."
