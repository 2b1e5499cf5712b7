"""Whose data a command reads: the source of its option, else on local that of the newest run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.app import container, session
from nbactl.cli.completion.values import sources

if TYPE_CHECKING:
    from nbactl.bootstrap import Container

SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Source of game data; each has its own local warehouse.",
        metavar="sample|path:DIR|nba_api",
        show_default="that of the newest run",
        autocompletion=sources,
    ),
]


def container_of_source(ctx: typer.Context, source: str | None, *, reads_only: bool = True) -> Container:
    """Return the container with the data of a source."""
    from nbactl.bootstrap.runs import follow_last_source  # noqa: PLC0415 - help needs none of it

    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    app = container(ctx, reads_only=reads_only)
    if call.settings.target == "local":
        follow_last_source(app)
    return app
