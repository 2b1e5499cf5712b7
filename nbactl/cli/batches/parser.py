"""The command line of `nbactl batches`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.batches import view
from nbactl.cli.batches.command import (
    DEFAULT_LIMIT,
    BatchFilter,
    complete_batch,
    list_batches,
    reset_batch,
    show_batch,
    undo_reset,
)
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.core._support.durations import parse_duration

app = group()

BatchArgument = Annotated[
    str,
    typer.Argument(
        metavar="BATCH",
        help="A batch's id, the beginning of it, or 'last'.",
        show_default=False,
        autocompletion=completing.batches,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]


@command(
    app,
    "list",
    examples=["nbactl batches list", "nbactl batches list --incomplete", "nbactl batches list --stalled 1h"],
)
def list_(
    ctx: typer.Context,
    date: Annotated[
        str | None,
        typer.Option(help="Batches of this game date.", metavar="DATE", autocompletion=completing.dates),
    ] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="Only batches that are not complete.")] = False,
    stalled: Annotated[
        str | None,
        typer.Option(
            help="Only incomplete batches that recorded nothing for this long; exit 1 if there is one.",
            metavar="DURATION",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(help="At most this many, the newest first.", min=1, metavar="N")
    ] = DEFAULT_LIMIT,
) -> View:
    """List prediction batches, the newest first.

    Exits with 1 if a batch cannot be read.
    """
    request = BatchFilter(date, incomplete, None if stalled is None else parse_duration(stalled), limit)
    return view.batch_list(list_batches(container(ctx, reads_only=True), request))


@command(app, "show", examples=["nbactl batches show last", "nbactl batches show last -o json"])
def show_(ctx: typer.Context, batch: BatchArgument) -> View:
    """Show a batch: how many players completed, failed or are missing, and where completions are recorded."""
    return view.batch_details(show_batch(container(ctx, reads_only=True), batch))


@command(app, "complete", examples=["nbactl batches complete last --dry-run"])
def complete(ctx: typer.Context, batch: BatchArgument, dry_run: DryRun = False) -> View:
    """Make a batch complete as it is, so that phase 6 continues without the missing players.

    Players who complete later are still counted. A batch that is already complete is not changed.
    """
    app_ = container(ctx, reads_only=True)
    return view.batch_change(complete_batch(app_, batch, dry_run=dry_run, confirm=asking(ctx)))


@command(app, "reset", examples=["nbactl batches reset last --dry-run"])
def reset(
    ctx: typer.Context,
    batch: BatchArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Restore what the last reset of this batch removed.")] = False,
    dry_run: DryRun = False,
) -> View:
    """Remove everything that a batch has recorded, so that it can run again from the start.

    Everything is saved before it is removed, and --undo restores it. If it is interrupted, run it again; it resumes.
    """
    act = undo_reset if undo else reset_batch
    return view.batch_change(act(container(ctx, reads_only=True), batch, dry_run=dry_run, confirm=asking(ctx)))
