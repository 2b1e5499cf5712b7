"""The command line of `nbactl heal`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import console
from nbactl.cli.ask import asking
from nbactl.cli.completion.values import dates
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, single
from nbactl.cli.heal import command as commands
from nbactl.cli.heal import view
from nbactl.cli.heal.command import HealRequest
from nbactl.cli.show.render import View
from nbactl.cli.signals import interruptible
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.core._support.aio import Cancellation

app = single()


@command(
    app,
    "heal",
    examples=["nbactl heal --dry-run", "nbactl heal --auto -o json", "nbactl heal --date 2025-01-07 --dry-run"],
)
def heal(
    ctx: typer.Context,
    date: Annotated[
        str | None,
        typer.Option(
            help="Only what is about this game date.",
            metavar="DATE",
            autocompletion=dates,
            show_default="the last ones",
        ),
    ] = None,
    source: SourceOption = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="For cron: never ask, and repair only kinds that are marked safe.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Find what did not happen, repair it, and check that it took effect.

    Phases that were not triggered, hand-offs and messages that are pending, batches that nobody closed, stale leases,
    completions that differ, required outputs that are missing, tasks that wrote nothing or ended at their limit. Each
    has a budget in workflows.yaml (`healing`), a final stop with an alert, and is healed only when its effect was seen.
    Idle dates are left alone. Any number of healers may run. Exits with 1 if something is at its final stop or failed,
    with 3 if something remains and its budget is not used up.
    """
    opened = container_of_source(ctx, source, reads_only=dry_run)
    request = HealRequest(game_date(opened, date) if date else None, auto, dry_run)
    cancellation = Cancellation()
    here = console(ctx)
    with interruptible(cancellation.request):
        done = commands.heal(
            opened,
            request,
            confirm=asking(ctx),
            announce=None if here.quiet else here.note,
            report=lambda case: view.progress(here, case),
            cancellation=cancellation,
        )
    return view.healed(done)
