"""The command line of `nbactl services logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.frame import command
from nbactl.cli.logs import options
from nbactl.cli.logs.command import LogRequest
from nbactl.cli.logs.following import LINES, LINES_BEFORE, lines
from nbactl.cli.services.group import app
from nbactl.cli.show.render import View


@command(
    app,
    "logs",
    examples=[
        "nbactl services logs prediction-worker --since 10m",
        "nbactl services logs prediction-worker prediction-coordinator -f",
    ],
)
def logs(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    service: Annotated[list[str], typer.Argument(metavar="SERVICE…", help="Names of services.", show_default=False)],
    severity: options.SeverityOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    revision: options.RevisionOption = None,
    limit: options.LimitOption = None,
    follow: options.FollowOption = False,
) -> View:
    """Show what services logged, merged in the order of time. `nbactl logs search` has more filters."""
    request = LogRequest(
        services=tuple(service),
        severity=severity,
        since=since,
        until=until,
        revision=revision,
        limit=limit or (LINES_BEFORE if follow else LINES),
    )
    return lines(ctx, request, follow=follow)
