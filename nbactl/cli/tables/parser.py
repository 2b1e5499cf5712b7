"""The command line of `nbactl tables`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.cli.tables import view
from nbactl.cli.tables.command import DEFAULT_LIMIT, ShowRequest, count_rows, list_tables, show_table
from nbactl.errors import UsageError

app = group()

Dataset = Annotated[
    str | None,
    typer.Option(help="Only tables of this dataset.", metavar="NAME", autocompletion=completing.datasets),
]


@command(app, "list", examples=["nbactl tables list", "nbactl tables list --dataset nba_raw"], csv=True)
def list_(ctx: typer.Context, dataset: Dataset = None, source: SourceOption = None) -> View:
    """List the tables: rows, bytes, newest date and last change. Tables that are declared and missing are named."""
    return view.table_list(list_tables(container_of_source(ctx, source), dataset, confirm=asking(ctx)))


@command(
    app,
    "show",
    examples=["nbactl tables show nba_raw.games", "nbactl tables show nba_raw.games --date 2024-10-22 --limit 5"],
    csv=True,
)
def show_(
    ctx: typer.Context,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A table, `dataset.table`.", show_default=False, autocompletion=completing.tables
        ),
    ],
    date: Annotated[
        str | None,
        typer.Option(
            help="Rows of this date.", metavar="DATE", show_default="the newest", autocompletion=completing.dates
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many rows.", min=1, metavar="N")] = DEFAULT_LIMIT,
    source: SourceOption = None,
) -> View:
    """Show the columns of a table, and rows of one date."""
    opened = container_of_source(ctx, source)
    request = ShowRequest(table, game_date(opened, date) if date else None, limit)
    found = show_table(opened, request, confirm=asking(ctx))
    return view.table_details(found, for_person=settings(ctx).for_person)


@command(
    app,
    "counts",
    examples=["nbactl tables counts", "nbactl tables counts --from 2024-10-22 --to 2024-10-28 --dataset nba_raw"],
    csv=True,
)
def counts(
    ctx: typer.Context,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First date.",
            metavar="DATE",
            show_default="six days earlier",
            autocompletion=completing.dates,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="Last date.", metavar="DATE", show_default="the newest of all", autocompletion=completing.dates
        ),
    ] = None,
    dataset: Dataset = None,
    source: SourceOption = None,
) -> View:
    """Count the rows of each table and date; a date without rows is shown as 0.

    Exits with 4 if no table has a row of these dates.
    """
    opened = container_of_source(ctx, source)
    first, last = (game_date(opened, text) if text else None for text in (from_, to))
    if first is not None and last is not None and first > last:
        raise UsageError(f"--from {first} is after --to {last}", next_step=f"Swap them: --from {last} --to {first}.")
    return view.row_counts(count_rows(opened, first, last, dataset=dataset, confirm=asking(ctx)))
