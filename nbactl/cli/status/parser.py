"""The command line of `nbactl status`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import console, container, session
from nbactl.cli.date_options import DateOption
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.signals import until_left
from nbactl.cli.source import SourceOption
from nbactl.cli.status import view
from nbactl.cli.status.command import read_board, watch_board
from nbactl.config.given import PLACE_OPTIONS, given_options
from nbactl.errors import UsageError

app = single()


@command(app, "status", examples=["nbactl status", "nbactl status --date yesterday -o json"])
def status(
    ctx: typer.Context,
    date: DateOption = None,
    source: SourceOption = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Refresh until Ctrl-C; without a terminal, print each change."),
    ] = False,
) -> View:
    """Show the board of a game date: each phase, what is running, and what went wrong.

    Exits with 1 if something of that date failed, was interrupted, is late or lost its output, else with 3 if a phase
    is stale or incomplete. Failures of other dates are listed only; `nbactl runs dismiss` takes them out.

    What production's own programs did counts, and a hand-off that they left open is late. -v lists their processors.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    if not watch:
        app = container(ctx, reads_only=True)
        drawn = read_board(app, date)
        return view.board(drawn, given_options(app.settings, ("source", *PLACE_OPTIONS)))
    if call.settings.output in ("json", "yaml"):
        raise UsageError(
            f"--watch does not go together with --output {call.settings.output}",
            cause="That output is one document, and a watched board has no end.",
            next_step="Use --output jsonl: one board a line.",
        )
    # A ledger that is made while the board is watched is shown too, so this is not only a reader.
    opened = container(ctx)
    in_place = call.settings.output != "jsonl" and console(ctx).out.is_live
    polls = until_left(opened.config.timeouts["status.refresh"])
    boards = watch_board(opened, date, polls, only_changes=not in_place)
    return view.watched(boards, console(ctx), in_place=in_place)
