"""The command line of `nbactl schedule`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nbactl.bootstrap.job import logged_as_job
from nbactl.cli.app import console, container
from nbactl.cli.completion.values import dates, executables
from nbactl.cli.dates import game_date, instant, since_time
from nbactl.cli.frame import command, group
from nbactl.cli.schedule import command as commands
from nbactl.cli.schedule import view
from nbactl.cli.schedule.command import DecisionsRequest, TickRequest
from nbactl.cli.schedule.ticked import ticked
from nbactl.cli.show.render import View
from nbactl.cli.signals import interruptible
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import parse_time_of_day
from nbactl.errors import UsageError
from nbactl.schedule.decide import Action

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
            show_default="as the schedule of games has it",
        ),
    ] = None,
) -> View:
    """Show when each workflow is due on a day, and which game date it works on."""
    opened = container(ctx, reads_only=True)
    tip_off = None if first_game is None else _time_of_day(first_game)
    return view.timetable(commands.show_timetable(opened, game_date(opened, date), tip_off))


@command(
    app,
    "tick",
    examples=[
        "nbactl schedule tick --dry-run",
        "nbactl schedule tick -o json",
        "nbactl schedule tick --skip workflows",
    ],
)
def tick(
    ctx: typer.Context,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Decide as of this time (ISO, with its zone), and change nothing.", metavar="TIME"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Take only these steps; repeat it, or separate them by commas.", metavar="STEP"),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Leave out these steps: `workflows` where another program runs them.", metavar="STEP"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Run the workflows that are due; decide on rollouts, hand on phases, publish the outbox, load bookkeeping rows.

    Run it from cron every few minutes (`docs/cron.md`). Ticks may overlap, be missed and be killed: each step is taken
    once, and what was missed is caught up within its tolerance. One step that fails does not keep the others. With too
    little data a rollout stays at its stage. Exits with 1 if a rollout was aborted or a workflow failed, with 7 if
    a rollout could not be decided, a message was not published or rows were not loaded.
    """
    from nbactl.cli.run.parser import split_names

    request = TickRequest(
        None if at is None else instant("--at", at), dry_run=dry_run, only=split_names(only), skip=split_names(skip)
    )
    opened = container(ctx, reads_only=request.changes_nothing)
    cancellation = Cancellation()
    here = console(ctx)
    with interruptible(cancellation.request), logged_as_job(opened) as in_job:
        announce = None if here.quiet or in_job else here.note
        done = commands.tick(opened, request, announce=announce, cancellation=cancellation)
    return ticked(done, cancellation.reason)


@command(
    app,
    "due",
    examples=["nbactl schedule due", "nbactl schedule due --at 2024-12-25T12:00:00-05:00"],
)
def due(
    ctx: typer.Context,
    at: Annotated[
        str | None,
        typer.Option("--at", help="What would be due at this time (ISO, with its zone).", metavar="TIME"),
    ] = None,
) -> View:
    """Show which workflows are due now, and why the others are not.

    It is what the next `schedule tick` would decide: RUN, SKIP, WAIT or ABORT. Nothing is changed.
    """
    return view.due(commands.show_due(container(ctx, reads_only=True), None if at is None else instant("--at", at)))


@command(
    app,
    "decisions",
    examples=[
        "nbactl schedule decisions",
        "nbactl schedule decisions --name betting_lines --date yesterday",
        "nbactl schedule decisions --action ABORT --since 7d",
        "nbactl schedule decisions --orphans",
    ],
)
def decisions(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    name: Annotated[str | None, typer.Option(help="Decisions on this workflow.", autocompletion=executables)] = None,
    date: Annotated[
        str | None, typer.Option(help="Decisions about this game date.", metavar="DATE", autocompletion=dates)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Made within this time (`12h`) or since this date.", metavar="DURATION|DATE", autocompletion=dates
        ),
    ] = None,
    action: Annotated[
        Literal["RUN", "SKIP", "WAIT", "ABORT"] | None, typer.Option(help="Only decisions of this kind.")
    ] = None,
    orphans: Annotated[bool, typer.Option("--orphans", help="Only decisions to run whose run never began.")] = False,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
) -> View:
    """List what ticks decided, the newest first, with the runs that came of it.

    A decision to run whose run never began, because the tick was killed, is an orphan. The next tick runs it while that
    is not too late, and sends an alert. A workflow that waits for its next time is listed with --action WAIT only.
    """
    opened = container(ctx, reads_only=True)
    request = DecisionsRequest(
        name=name,
        date=game_date(opened, date) if date else None,
        since=since_time(opened, since) if since else None,
        action=Action("RUN") if orphans else action and Action(action),
        orphans=orphans,
        limit=limit,
    )
    return view.decisions(commands.list_decisions(opened, request))


def _time_of_day(text: str) -> time:
    try:
        return parse_time_of_day(text)
    except ValueError as error:
        raise UsageError(
            f"--first-game: '{text}' is not a valid time of day", next_step="Use HH:MM in Eastern time."
        ) from error
