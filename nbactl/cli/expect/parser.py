"""The command line of `nbactl expect`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container, session
from nbactl.cli.completion.values import dates, sources
from nbactl.cli.expect import view
from nbactl.cli.expect.command import read_grid
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View

app = single()


@command(app, "expect", examples=["nbactl expect", "nbactl expect --from 2025-01-01 --to 2025-01-07 -o json"])
def expect(
    ctx: typer.Context,
    date: Annotated[
        str | None,
        typer.Option(
            help="Game date: YYYY-MM-DD, today, yesterday, tomorrow or latest.",
            metavar="DATE",
            show_default="last night and today",
            autocompletion=dates,
        ),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First date of a range.", metavar="DATE", autocompletion=dates)
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Last date of a range that begins with --from.",
            metavar="DATE",
            show_default="latest; today on gcp",
            autocompletion=dates,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Source of game data.",
            metavar="sample|path:DIR|nba_api",
            show_default="that of the newest run",
            autocompletion=sources,
        ),
    ] = None,
) -> View:
    """Show what should be there of each date, and what is: one row per phase and output, dates across.

    Rows are counted against the games, teams and players of the date, and "no data" is believed only where the source
    proves it. What production's own programs did counts. Nothing is expected of a date without games.

    Exits with 1 if a required output is missing, failed or late, or if nothing is known of the dates at all, else with
    3 if some dates or rows could not be looked at. `nbactl run NAME --gaps` runs what is not there.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    opened = container(ctx, reads_only=True)
    grid = read_grid(opened, date, first, last)
    return view.grid(grid, opened.settings)
