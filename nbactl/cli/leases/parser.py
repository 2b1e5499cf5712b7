"""The command line of `nbactl leases`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.leases import view
from nbactl.cli.leases.command import ReleaseRequest, list_leases, release_lease
from nbactl.cli.show.render import View

app = group()


@command(app, "list", examples=["nbactl leases list", "nbactl leases list -o json"])
def list_(ctx: typer.Context) -> View:
    """List the leases that are held, and the locks of other programs.

    A lease that is `expired` or `dead` (its process on this machine is gone) blocks nobody: the next process that wants
    it gets it. Locks of other programs are the documents of collections that end in _locks. -v also lists the ones that
    were last released by hand.
    """
    return view.lease_list(list_leases(container(ctx, reads_only=True)))


@command(
    app,
    "release",
    examples=[
        "nbactl leases release phase3/2024-01-15 --dry-run",
        "nbactl leases release phase3/2024-01-15 --force --reason 'its machine is gone'",
        "nbactl leases release coordinator_batch_locks/2024-01-15 --foreign --dry-run",
    ],
)
def release(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of a lease.", show_default=False, autocompletion=completing.leases),
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Take it from a holder that may be alive; asks first.")
    ] = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="It is a lock of another program; asks first, and keeps a copy.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for `leases list`.", metavar="TEXT")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Release a lease whose holder is gone.

    Seldom needed: the next process that wants a lease takes it over if it has expired or its process is dead. A lease
    whose holder may be alive is refused (exit 6) without --force. With --force the holder's fencing token becomes
    stale: its writes are refused from then on, and it stops at its next heartbeat. The history keeps the former holder.
    A lock of another program is refused (exit 6) without --foreign, and before its expiry without --force.
    """
    request = ReleaseRequest(name, force=force, foreign=foreign, reason=reason, dry_run=dry_run)
    return view.released(release_lease(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)))
