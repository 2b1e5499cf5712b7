"""The command line of `nbactl season`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container, settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, group
from nbactl.cli.season import view
from nbactl.cli.season.command import HaltRequest, ResumeRequest, halt_season, resume_season, show_season
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.errors import UsageError

_SHOWN_DAYS = 14
app = group()


@command(
    app,
    "show",
    examples=[
        "nbactl season show",
        "nbactl season show --from 2024-12-20 --to 2025-01-05",
        "nbactl season show -o json",
    ],
)
def show(
    ctx: typer.Context,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First date.",
            metavar="DATE",
            show_default="today; on local the newest of the source",
            autocompletion=completing.dates,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Last date.",
            metavar="DATE",
            show_default="13 days later",
            autocompletion=completing.dates,
        ),
    ] = None,
    source: SourceOption = None,
) -> View:
    """Show on which dates games are expected, and why not on the others; breaks, halts, and what is next.

    Exits with 4 if the schedule covers none of the dates. -v also shows halts that are over.
    """
    opened = container_of_source(ctx, source)
    first = game_date(opened, from_)
    last = first.plus(_SHOWN_DAYS - 1) if to is None else game_date(opened, to)
    if last < first:
        raise UsageError(f"--from {first} is after --to {last}", next_step=f"Swap them: --from {last} --to {first}.")
    return view.season(show_season(opened, first, last))


@command(
    app,
    "halt",
    examples=[
        "nbactl season halt --until 2027-01-10 --reason 'the league is on strike'",
        "nbactl season halt --from 2025-01-08 --until 2025-01-08 --reason 'wildfires' --dry-run",
        "nbactl season halt --open-ended --reason 'the season is interrupted'",
    ],
)
def halt(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why, for `season show`.", metavar="TEXT")],
    from_: Annotated[
        str, typer.Option("--from", help="First date that is halted.", metavar="DATE", autocompletion=completing.dates)
    ] = "today",
    until: Annotated[
        str | None,
        typer.Option("--until", help="Last date that is halted.", metavar="DATE", autocompletion=completing.dates),
    ] = None,
    open_ended: Annotated[
        bool, typer.Option("--open-ended", help="Halt until `season resume`, however long that is.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Expect no games on dates: ticks run nothing for them, nothing is missing or late, nothing alerts.

    The halt ends by itself after its last date. What is run by hand still runs, and says that the date is halted.
    """
    if (until is None) is not open_ended:
        raise UsageError(
            "a halt has either --until or --open-ended",
            next_step="Give its last date with --until DATE, or --open-ended if nobody knows it.",
        )
    if not reason.strip():
        raise UsageError("--reason is empty", next_step="Say why, such as --reason 'the league is on strike'.")
    opened = container(ctx, reads_only=dry_run)
    last = None if until is None else game_date(opened, until)
    request = HaltRequest(game_date(opened, from_), last, reason.strip(), dry_run=dry_run)
    return view.halted(halt_season(opened, request, confirm=asking(ctx)), settings(ctx))


@command(
    app,
    "resume",
    examples=["nbactl season resume --dry-run", "nbactl season resume --date tomorrow"],
)
def resume(
    ctx: typer.Context,
    halt_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[HALT]",
            help="Id of a halt; not needed if there is just one.",
            show_default=False,
            autocompletion=completing.halts,
        ),
    ] = None,
    date: Annotated[
        str,
        typer.Option(
            "--date",
            help="First date on which games are expected again.",
            metavar="DATE",
            autocompletion=completing.dates,
        ),
    ] = "today",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """End a halt before its last date. It stays in the history; its dates before --date stay halted."""
    opened = container(ctx, reads_only=dry_run)
    request = ResumeRequest(halt_id, game_date(opened, date), dry_run=dry_run)
    return view.resumed(resume_season(opened, request, confirm=asking(ctx)), settings(ctx))
