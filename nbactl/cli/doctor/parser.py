"""The command line of `nbactl doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container, session
from nbactl.cli.completion.values import sources
from nbactl.cli.doctor import view
from nbactl.cli.doctor.command import diagnose
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View

app = single()


@command(app, "doctor", examples=["nbactl doctor", "nbactl doctor -o json"])
def doctor(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            help="The source to check.",
            metavar="sample|path:DIR|nba_api",
            show_default="that of the newest run",
            autocompletion=sources,
        ),
    ] = None,
) -> View:
    """Check this installation and its data: the status of each check, its cause and how to fix it.

    Nothing is changed. Exits with 1 if a check failed.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    return view.diagnosis(diagnose(container(ctx)))
