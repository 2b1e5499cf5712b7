"""The command line of `nbactl breakers`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.breakers import view
from nbactl.cli.breakers.command import ResetRequest, list_breakers, reset_breakers
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View

app = group()


@command(app, "list", examples=["nbactl breakers list", "nbactl breakers list --open", "nbactl breakers list -o json"])
def list_(
    ctx: typer.Context,
    is_open: Annotated[bool, typer.Option("--open", help="Only breakers that are not closed.")] = False,
) -> View:
    """List the circuit breakers as processes last reported them.

    `open`: calls are refused. `due`: the time is over, the next call decides. Processes report every breakers.sync.
    """
    return view.breaker_list(list_breakers(container(ctx, reads_only=True), open_only=is_open))


@command(
    app,
    "reset",
    examples=[
        "nbactl breakers reset stats_nba --reason 'unblocked again'",
        "nbactl breakers reset --all --dry-run",
    ],
)
def reset(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Names of breakers.", show_default=False, autocompletion=completing.breakers
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every breaker that is not closed.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for `breakers list`.", metavar="TEXT")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Close breakers in every process, within breakers.sync of timeouts.yaml.

    There is no undo, and none is needed: if the dependency is still broken, its breaker opens again.
    """
    request = ResetRequest(tuple(names or ()), every=every, reason=reason, dry_run=dry_run)
    return view.breakers_reset(reset_breakers(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)))
