"""The command line of `nbactl validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.bootstrap.runs import follow_last_source
from nbactl.cli.app import container
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import dates_to_check
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.validate import view
from nbactl.cli.validate.command import validate_overnight

app = group()


@command(
    app,
    "overnight",
    examples=["nbactl validate overnight --date 2024-12-24", "nbactl validate overnight --date 2024-12-24 -o json"],
)
def overnight(
    ctx: typer.Context,
    date: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Game date of the night: YYYY-MM-DD, yesterday or latest.",
            metavar="DATE",
            show_default="yesterday; of files that end before it, their newest date",
            autocompletion=completing.dates,
        ),
    ] = None,
) -> View:
    """Check that the cascade of a night ran: every phase in time, with all of its data, and with rows behind it.

    Checks: every required output is there; each phase ended when it was due (phase 4 by 06:00, predictions by 07:00
    Eastern); the whole took less than overnight.total of timeouts.yaml; no phase went on with less than everything
    (majority, tier, deadline, a skipped upstream phase); there are rows behind what is green. The times are compared
    with the 30 nights before, of nbactl and of production. A date on which nothing is expected passes. Exits with 1 if
    a check fails, with 4 if there is nothing to look at.
    """
    opened = container(ctx, reads_only=True)
    follow_last_source(opened)
    return view.overnight(validate_overnight(opened, dates_to_check(opened, date, None, None)[0]))
