"""The command line of `nbactl schedule`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.app import console, container
from nbactl.cli.completion.values import dates
from nbactl.cli.dates import game_date, instant
from nbactl.cli.frame import command, group
from nbactl.cli.schedule import command as commands
from nbactl.cli.schedule import view
from nbactl.cli.schedule.command import TickRequest
from nbactl.cli.show.render import View
from nbactl.core._support.gamedate import parse_time_of_day
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from datetime import time

app = group()


@command(
    app,
    "show",
    examples=[
        "nbactl schedule show",
        "nbactl schedule show --date 2024-01-15 --first-game 19:00",
        "nbactl schedule show --date 2024-03-10 -o json",
    ],
)
def show(
    ctx: typer.Context,
    date: Annotated[
        str,
        typer.Option(
            "--date",
            help="Calendar day in Eastern time: YYYY-MM-DD, today, yesterday, tomorrow or latest.",
            metavar="DATE",
            autocompletion=dates,
        ),
    ] = "today",
    first_game: Annotated[
        str | None,
        typer.Option(
            "--first-game",
            help="First tip-off of that day, HH:MM Eastern; some workflows count from it.",
            metavar="HH:MM",
        ),
    ] = None,
) -> View:
    """Show when each workflow is due on a day, and which game date it works on."""
    opened = container(ctx, reads_only=True)
    tip_off = None if first_game is None else _time_of_day(first_game)
    return view.timetable(commands.show_timetable(opened, game_date(opened, date), tip_off))


@command(app, "tick", examples=["nbactl schedule tick --dry-run", "nbactl schedule tick -o json"])
def tick(
    ctx: typer.Context,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Decide as of this time (ISO, with its zone), and change nothing.", metavar="TIME"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Decide on rollouts, hand on phases whose time limit is over, publish the outbox and load bookkeeping rows.

    Run it from cron every few minutes. Ticks may overlap: each step is taken once. With too little data a rollout stays
    at its stage. Exits with 1 if a rollout was aborted, with 7 if one could not be decided, a message was
    not published or rows were not loaded.
    """
    request = TickRequest(None if at is None else instant("--at", at), dry_run=dry_run)
    opened = container(ctx, reads_only=dry_run)
    return view.ticked(commands.tick(opened, request, announce=console(ctx).note))


def _time_of_day(text: str) -> time:
    try:
        return parse_time_of_day(text)
    except ValueError as error:
        raise UsageError(
            f"--first-game: '{text}' is not a valid time of day", next_step="Use HH:MM in Eastern time."
        ) from error
