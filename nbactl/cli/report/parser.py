"""The command line of `nbactl report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.frame import command, single
from nbactl.cli.report import view
from nbactl.cli.report.command import report as make_report
from nbactl.cli.show.render import View
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError

app = single()
_LONGEST = 180 * 86_400
"""Seconds: as long as BigQuery keeps jobs."""


@command(
    app,
    "report",
    examples=["nbactl report", "nbactl report --since 30d --html report.html", "nbactl report --since 24h -o json"],
)
def report(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option("--since", help="How far back to look, 180d at most: 24h, 7d.", metavar="DURATION")
    ] = "7d",
    html: Annotated[
        Path | None, typer.Option(help="Write it as one self-contained page instead.", metavar="FILE")
    ] = None,
) -> View:
    """Show how reliable the pipeline was, how long it took, what failed, what it cost and what was changed.

    Reliability is the share of the required outputs that were complete when they were due. Durations are compared with
    the 30 days before. With nothing to report it exits with 4.
    """
    seconds = parse_duration(since)
    if seconds > _LONGEST:
        raise UsageError(f"--since {since} is too long", next_step="Give 180d at most.")
    opened = container(ctx, reads_only=True)
    return view.reported(make_report(opened, seconds), opened.settings, html)
