"""The options that the commands for logs share."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.completion.values import severities, tasks

SeverityOption = Annotated[
    str | None,
    typer.Option(
        help="At least this severe: debug, info, notice, warning, error, critical.",
        metavar="SEVERITY",
        autocompletion=severities,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        help="Since this long (`30m`), this date, or this time with its zone.",
        metavar="DURATION|DATE|TIME",
        show_default="1h; 7d with an id",
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(help="Until so long ago, this date, or this time.", metavar="DURATION|DATE|TIME", show_default="now"),
]
RunOption = Annotated[str | None, typer.Option("--run", help="Lines of this run; `last` is the newest.", metavar="RUN")]
TaskOption = Annotated[
    str | None, typer.Option("--task", help="Lines of this task.", metavar="TASK", autocompletion=tasks)
]
PlayerOption = Annotated[str | None, typer.Option("--player", help="Lines of this player_lookup.", metavar="PLAYER")]
CorrelationOption = Annotated[
    str | None, typer.Option("--correlation-id", help="Lines of this correlation id.", metavar="ID")
]
RevisionOption = Annotated[str | None, typer.Option("--revision", help="Lines of this revision.", metavar="REVISION")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit",
        help="At most this many lines, the newest.",
        metavar="N",
        min=1,
        max=10_000,
        show_default="100; with -f 10 to begin with",
    ),
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Continue with new lines until Ctrl-C.")]
ServiceOption = Annotated[
    list[str] | None,
    typer.Option("--service", "-s", help="Lines of this service; may be repeated.", metavar="SERVICE"),
]
