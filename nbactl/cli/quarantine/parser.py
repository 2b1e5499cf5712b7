"""The command line of `nbactl quarantine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, group
from nbactl.cli.quarantine import view
from nbactl.cli.quarantine.command import DEFAULT_LIMIT, QuarantineFilter, list_refused, show_refused
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container

app = group()

Table = Annotated[
    str | None,
    typer.Option(
        help="Records that were meant for this table.",
        metavar="TABLE",
        autocompletion=completing.quarantined_tables,
    ),
]
Date = Annotated[
    str | None, typer.Option(help="Records of this game date.", metavar="DATE", autocompletion=completing.dates)
]


@command(
    app,
    "list",
    examples=["nbactl quarantine list", "nbactl quarantine list --table nba_raw.games --from 2025-01-01"],
    csv=True,
)
def list_(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    date: Date = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First date.", metavar="DATE", autocompletion=completing.dates)
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Last date.", metavar="DATE", autocompletion=completing.dates)
    ] = None,
    table: Table = None,
    reason: Annotated[
        str | None,
        typer.Option(
            help="Records refused for this reason.", metavar="REASON", autocompletion=completing.quarantine_reasons
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many records.", min=1, metavar="N")] = DEFAULT_LIMIT,
    source: SourceOption = None,
) -> View:
    """List records that were refused: why, and from which file and line; with counts per reason.

    Exits with 4 if there is no data of these dates.
    """
    opened = container_of_source(ctx, source)
    request = _filter(opened, date, from_, to, table=table, reason=reason, limit=limit)
    return view.refused_list(list_refused(opened, request, confirm=asking(ctx)))


@command(app, "show", examples=["nbactl quarantine show 19e0cfa9 --table nba_raw.games"])
def show_(
    ctx: typer.Context,
    record: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a record, or the beginning of one.", show_default=False)
    ],
    date: Date = None,
    table: Table = None,
    source: SourceOption = None,
) -> View:
    """Show a refused record as it came, with why and where from. --date and --table make the search smaller."""
    opened = container_of_source(ctx, source)
    request = _filter(opened, date, None, None, table=table)
    return view.refused_record(show_refused(opened, record, request, confirm=asking(ctx)))


def _filter(
    app: Container,
    date: str | None,
    first: str | None,
    last: str | None,
    *,
    table: str | None,
    reason: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> QuarantineFilter:
    if date and (first or last):
        raise UsageError(
            "--date does not go together with --from and --to",
            next_step="Use --date for one date, or --from and --to for all dates between them.",
        )
    begin, end = (game_date(app, text) if text else None for text in (date or first, date or last))
    if begin is not None and end is not None and begin > end:
        raise UsageError(f"--from {begin} is after --to {end}", next_step=f"Swap them: --from {end} --to {begin}.")
    return QuarantineFilter(table, reason, begin, end, limit)
