"""The command line of `nbactl outbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.outbox import view
from nbactl.cli.outbox.command import DEFAULT_LIMIT, DriveRequest, drive_messages, list_messages
from nbactl.cli.show.render import View

app = group()


@command(app, "list", examples=["nbactl outbox list", "nbactl outbox list -o jsonl"])
def list_(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option(help="At most this many, those longest due first.", min=1, metavar="N")
    ] = DEFAULT_LIMIT,
) -> View:
    """List messages that wait to be published, the longest due first.

    A message that was just tried is due again after outbox.redrive (timeouts.yaml). Until then other processes leave it
    to the one that tried it.
    """
    return view.message_list(list_messages(container(ctx, reads_only=True), limit))


@command(
    app,
    "drive",
    examples=["nbactl outbox drive --dry-run", "nbactl outbox drive phase3/2024-01-15/1"],
)
def drive(
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY]...",
            help="Keys of messages; by default all that are due.",
            show_default=False,
            autocompletion=completing.messages,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Publish messages now: the given ones, or all that are due.

    A message is published at least once, under its key; consumers do the work of a key once. A message that fails stays
    in the outbox with the reason and does not hold up the others. The exit code is that of the first failure.
    """
    request = DriveRequest(tuple(keys or ()), dry_run=dry_run)
    return view.messages_driven(drive_messages(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)))
