"""The command line of `nbactl serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.bootstrap.serving import ServeRequest
from nbactl.cli.app import console, session
from nbactl.cli.frame import command, single
from nbactl.cli.serve import command as commands
from nbactl.cli.show.render import View
from nbactl.cli.signals import SignalledError
from nbactl.errors import UsageError
from nbactl.services.routes import SERVICES

app = single()


@command(app, "serve", examples=["nbactl serve collector", "nbactl serve coordinator worker --port 8085"])
def serve(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    service: Annotated[
        list[str],
        typer.Argument(
            help=f"What to serve: {', '.join(SERVICES)}.", metavar="SERVICE...", autocompletion=lambda: list(SERVICES)
        ),
    ],
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to serve on.",
            metavar="HOST",
            show_default="127.0.0.1; 0.0.0.0 if PORT is set",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to serve on; 0 for a free one.", min=0, max=65535, metavar="PORT", show_default="PORT, or 8080"
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(help="Requests at the same time; more are answered 503.", min=1, metavar="N", show_default="80"),
    ] = None,
    fd: Annotated[
        int | None, typer.Option("--fd", help="Serve on this inherited socket, which listens.", min=3, metavar="FD")
    ] = None,
    own_fd: Annotated[
        int | None,
        typer.Option(
            "--own-fd",
            help="With --until-eof: serve on this inherited socket first, and on --fd from the first line of input on.",
            min=3,
            metavar="FD",
        ),
    ] = None,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="Stop when standard input ends, as a supervisor wants it.")
    ] = False,
) -> View:
    """Serve services of the pipeline over HTTP, until Ctrl-C or SIGTERM.

    /live, /ready, /health and /metrics are for the platform. /ready fails while a route does not work. On another host
    than the loopback, callers must identify themselves: set NBACTL_PUSH_AUDIENCE. docs/services.md has the routes.
    """
    call = session(ctx)
    request = ServeRequest(
        tuple(service),
        host=host,
        port=port,
        fd=fd,
        own_fd=own_fd,
        concurrency=concurrency,
        until_eof=until_eof,
        structured=not call.settings.for_person,
    )
    if own_fd is not None and not until_eof:
        raise UsageError("--own-fd goes together with --until-eof only", next_step="Add --until-eof.")
    code = 0
    try:
        commands.serve(call.settings, call.environ, request, announce=console(ctx).note)
    except SignalledError as signalled:
        code = signalled.exit_code  # the usual end of a service, and nothing to report
    return View({"services": list(request.services)}, lambda _: None, exit_code=code)
