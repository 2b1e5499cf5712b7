"""The command line of `nbactl alerts`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.alerts import command as commands
from nbactl.cli.alerts import view
from nbactl.cli.alerts.command import CHANNELS, Channel, SendRequest
from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.core._support.durations import parse_duration

app = group()


@command(app, "list", examples=["nbactl alerts list", "nbactl alerts list --since 1d -o json"])
def list_(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option("--since", help="How far back to look for what has ended, and was sent.", metavar="DURATION")
    ] = "7d",
) -> View:
    """List the conditions of alert rules that last, those that have ended, and the alerts that were sent to Slack.

    Rules are declared under `alerts.rules` in workflows.yaml; `schedule tick` judges them.
    """
    return view.alert_list(commands.list_alerts(container(ctx, reads_only=True), parse_duration(since)))


@command(app, "test", examples=["nbactl alerts test --dry-run", "nbactl alerts test --channel log"])
def send_test(
    ctx: typer.Context,
    channel: Annotated[
        Channel | None,
        typer.Option("--channel", help=f"Only this channel: {', '.join(CHANNELS)}.", show_default="all set up"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show where it would go, and send nothing.")] = False,
) -> View:
    """Send a test alert, and wait until the channel has accepted it.

    Exits with 7 if a channel does not accept it, with 2 if the channel is not set up.
    """
    request = SendRequest(channel, dry_run=dry_run)
    return view.accepted(commands.send_test(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)))
