"""The command line of `nbactl expect`."""

from __future__ import annotations

import typer

from nbactl.cli.app import container, session
from nbactl.cli.date_options import FromOption, NightOption, ToOption
from nbactl.cli.expect import view
from nbactl.cli.expect.command import held_up, read_grid
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption

app = single()


@command(app, "expect", examples=["nbactl expect", "nbactl expect --from 2025-01-01 --to 2025-01-07 -o json"])
def expect(
    ctx: typer.Context,
    date: NightOption = None,
    first: FromOption = None,
    last: ToOption = None,
    source: SourceOption = None,
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
    return view.grid(grid, opened.settings, held_up(opened, grid))
