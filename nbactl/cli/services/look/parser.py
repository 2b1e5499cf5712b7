"""The command line of `nbactl services list|show|health|smoke|diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command
from nbactl.cli.services.group import app
from nbactl.cli.services.look import view
from nbactl.cli.services.look.command import (
    diff_services,
    list_services,
    services_health,
    show_service,
    smoke_services,
)
from nbactl.cli.services.look.details import service_details
from nbactl.cli.services.look.listing import service_list
from nbactl.cli.show.render import View

ServiceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE", help="A deployed service.", show_default=False, autocompletion=completing.services
    ),
]
ServicesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SERVICE]…",
        help="Deployed services; by default all that workflows.yaml names.",
        show_default=False,
        autocompletion=completing.services,
    ),
]


@command(app, "list", examples=["nbactl services list", "nbactl services list -o wide"])
def list_(ctx: typer.Context) -> View:
    """List what is deployed: revision, traffic, instances, image, last deployment, drift.

    Regions are asked at once, and shown as they answer. The drift is how many declared values a service does not have.
    """
    opened = container(ctx, reads_only=True)
    return service_list(opened, list_services(opened))


@command(app, "show", examples=["nbactl services show prediction-worker"])
def show_(ctx: typer.Context, service: ServiceArgument) -> View:
    """Show a service: revisions, traffic, image, settings, variables, who changed what and when.

    Secrets are named and never read; values that look like one are masked.
    """
    return service_details(show_service(container(ctx, reads_only=True), service))


@command(app, "health", examples=["nbactl services health", "nbactl services health prediction-worker"])
def health(ctx: typer.Context, service: ServicesArgument = None) -> View:
    """Ask services for /health, with an identity. Exits with 1 if one is not healthy or does not answer.

    A healthy service may still fail at its work: see `nbactl services smoke`.
    """
    return view.health_reports(list(services_health(container(ctx, reads_only=True), service or ())))


@command(app, "smoke", examples=["nbactl services smoke", "nbactl services smoke prediction-worker"])
def smoke(ctx: typer.Context, service: ServicesArgument = None) -> View:
    """Call the route of each service that shows that it works, with an identity. Exits with 1 if one does not.

    The routes are `services.*.smoke` in workflows.yaml; they change no data. A service that declares none is named.
    """
    return view.smoke_reports(list(smoke_services(container(ctx, reads_only=True), service or ())))


@command(
    app,
    "diff",
    examples=["nbactl services diff", "nbactl services diff --detailed-exitcode || test $? -eq 3"],
)
def diff(
    ctx: typer.Context,
    service: ServicesArgument = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 3 if a service is not as it should be.")
    ] = False,
) -> View:
    """Compare services with workflows.yaml: settings, variables, image, traffic, and variables that were lost.

    A difference that came back after it was mended says how often, and who brought it.
    """
    found = diff_services(container(ctx, reads_only=True), service or ())
    return view.services_diff(found, detailed_exitcode=detailed_exitcode)
