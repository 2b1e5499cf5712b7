"""The command line of `nbactl audit`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.audit import view
from nbactl.cli.audit.command import list_changes, show_change
from nbactl.cli.dates import since_time
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.core.audit.trail import AuditFilter

app = group(default="list")


@command(
    app,
    "list",
    examples=[
        "nbactl audit list",
        "nbactl audit list --since 7d --action flags",
        "nbactl audit list --by heal -o jsonl",
    ],
)
def list_(
    ctx: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Changes within this time (`12h`) or since this date.", metavar="DURATION|DATE"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Changes of this user or `user@host`; also `heal` and `tick`.", metavar="USER"),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(
            "--action", help="Changes by this command, `flags.set`, or by all of a noun, `flags`.", metavar="COMMAND"
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
) -> View:
    """List changes that operators, ticks and healers made, the newest first.

    A change that stays `started` was killed on the way, or is still being made. `nbactl audit` alone does the same.
    """
    opened = container(ctx, reads_only=True)
    request = AuditFilter(since_time(opened, since) if since else None, by, action, limit)
    filtered = any((since, by, action))
    return view.change_list(list_changes(opened, request), opened.clock.now(), filtered=filtered)


@command(app, "show", examples=["nbactl audit show last"])
def show(
    ctx: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="ID|last", help="Id of an entry, or `last`.", show_default=False)],
) -> View:
    """Show a change: who, when, why, with which words, what it touched, how it ended, and how to take it back."""
    return view.change(show_change(container(ctx, reads_only=True), entry))
