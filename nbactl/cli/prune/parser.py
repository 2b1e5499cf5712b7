"""The command line of `nbactl prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, single
from nbactl.cli.prune import view
from nbactl.cli.prune.command import PruneRequest
from nbactl.cli.prune.command import prune as remove_old
from nbactl.cli.show.render import View
from nbactl.core._support.durations import parse_duration

app = single()


@command(
    app,
    "prune",
    examples=[
        "nbactl prune --dry-run",
        "nbactl prune --kind run_logs --older-than 30d --dry-run",
        "nbactl prune --yes",
    ],
)
def prune(
    ctx: typer.Context,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="Only this kind; may be given several times.",
            metavar="KIND",
            show_default="all of retention in timeouts.yaml",
            autocompletion=completing.retention_kinds,
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            help="Remove what is older than this.",
            metavar="DURATION",
            show_default="as long as timeouts.yaml keeps it",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
) -> View:
    """Remove what is kept longer than timeouts.yaml says: runs, logs, raw files and histories.

    What an undo or the version of data needs always stays, such as the last run of each date. A tick of the schedule
    does the same, a little at a time. Asks first, also on local. Several may run at once; if it is killed, run it
    again. docs/retention.md has the rules.
    """
    age = None if older_than is None else parse_duration(older_than)
    request = PruneRequest(tuple(kinds or ()), age, dry_run=dry_run)
    return view.pruned(remove_old(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)))
