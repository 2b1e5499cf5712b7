"""The command line of `nbactl trace`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container, session
from nbactl.cli.completion.values import runs
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption
from nbactl.cli.trace import view
from nbactl.cli.trace.command import trace as trace_thing

app = single()


@command(
    app,
    "trace",
    examples=["nbactl trace last", "nbactl trace brumdunyxzindle@latest", "nbactl trace phase3/2024-01-15/1 -o json"],
)
def trace(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|PLAYER@DATE",
            help="Id of a run (or `last`), correlation, group, batch, message, decision or change; a flag; or a player "
            "on a date.",
            show_default=False,
            autocompletion=runs,
        ),
    ],
    source: SourceOption = None,
) -> View:
    """Show everything that is known about an id, or about a player on a date, in order of time.

    A player on a date is followed from the raw record over rows and features to the prediction, the export and the
    grade. Each line says when, where and what; the end says what was not looked at. Of what is unknown (exit 4) near
    names are shown.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    return view.traced(trace_thing(container(ctx, reads_only=True), what))
