"""The command line of `nbactl logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.frame import command, group
from nbactl.cli.logs import options, view
from nbactl.cli.logs.command import LogRequest, find_errors, find_first_error
from nbactl.cli.logs.following import LINES, LINES_BEFORE, lines
from nbactl.cli.show.render import View

app = group()


@command(
    app,
    "search",
    examples=[
        "nbactl logs search timeout --since 30m",
        "nbactl logs search -s prediction-worker --severity error --run run-1m80ca",
        "nbactl logs search -f --player lebronjames -o jsonl",
    ],
)
def search(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Within the message, whatever its case.", show_default=False)
    ] = None,
    service: options.ServiceOption = None,
    severity: options.SeverityOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    run: options.RunOption = None,
    task: options.TaskOption = None,
    player: options.PlayerOption = None,
    correlation_id: options.CorrelationOption = None,
    revision: options.RevisionOption = None,
    limit: options.LimitOption = None,
    follow: options.FollowOption = False,
) -> View:
    """Search what services logged, over all of them in the order of time.

    On gcp these are the project's services of Cloud Run, on local those that `nbactl up` runs. -v shows the query.
    """
    request = LogRequest(
        text=text,
        services=tuple(service or ()),
        severity=severity,
        since=since,
        until=until,
        run=run,
        task=task,
        player=player,
        correlation_id=correlation_id,
        revision=revision,
        limit=limit or (LINES_BEFORE if follow else LINES),
    )
    return lines(ctx, request, follow=follow)


@command(app, "errors", examples=["nbactl logs errors", "nbactl logs errors --since 24h -s prediction-worker"])
def errors(
    ctx: typer.Context,
    service: options.ServiceOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    revision: options.RevisionOption = None,
) -> View:
    """Show what went wrong, by kind: service, exception and message, with count, first, last and an example."""
    request = LogRequest(services=tuple(service or ()), severity="error", since=since, until=until, revision=revision)
    return view.found_errors(find_errors(container(ctx, reads_only=True), request))


@command(app, "first-error", examples=["nbactl logs first-error prediction-worker"])
def first_error(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Name of the service.", show_default=False)],
) -> View:
    """Show the first error of a service since its last deployment."""
    return view.first_error(find_first_error(container(ctx, reads_only=True), service))


@command(app, "id", examples=["nbactl logs id req-1m80ca", "nbactl logs id 0af7651916cd43dd8448eb211c80319c -o jsonl"])
def by_id(
    ctx: typer.Context,
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID…", help="Id of a run, correlation, batch, execution or trace.", show_default=False),
    ],
    since: options.SinceOption = None,
    limit: options.LimitOption = None,
    follow: options.FollowOption = False,
) -> View:
    """Follow an id through all services, in the order of time. `nbactl trace` adds what else is known about it."""
    request = LogRequest(ids=tuple(ids), since=since, limit=limit or (LINES_BEFORE if follow else LINES))
    return lines(ctx, request, follow=follow)
