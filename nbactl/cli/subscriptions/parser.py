"""The command line of `nbactl subscriptions`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.subscriptions import view
from nbactl.cli.subscriptions.command import list_subscriptions

app = group()


@command(
    app,
    "list",
    examples=["nbactl subscriptions list", "nbactl subscriptions list -o wide", "nbactl subscriptions list -o json"],
)
def list_(
    ctx: typer.Context,
    topic: Annotated[
        str | None, typer.Option(help="Only those of this topic.", metavar="TOPIC", show_default=False)
    ] = None,
) -> View:
    """List subscriptions: what waits, since when, how messages come again, and where they are pushed to, as whom.

    Reports what loses messages or delivers them in a hot loop: a push without a retry policy, dead-letter topic or
    identity, a token for another audience, an address that is not a declared service. On gcp what waits comes from
    Cloud Monitoring and is some minutes old; what it does not know is shown as unknown. Nothing is changed. Exits with
    1 if a problem needs a repair.
    """
    return view.subscription_list(list_subscriptions(container(ctx, reads_only=True), topic))
