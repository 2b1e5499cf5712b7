"""The command line of `nbactl query`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from nbactl.cli.app import settings
from nbactl.cli.ask import asking
from nbactl.cli.frame import command, single
from nbactl.cli.query import view
from nbactl.cli.query.command import DEFAULT_LIMIT, QueryRequest, query
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.core._support.durations import parse_duration
from nbactl.core._support.files import read_regular
from nbactl.errors import UsageError

app = single()

_MOST_SQL: Final = 1024 * 1024
"""BigQuery takes queries of up to 1 MB ("Query jobs" of its quotas)."""
_MOST_BYTES: Final = 2**62
"""BigQuery takes a limit of bytes as an INT64."""
_UNITS: Final = {
    "": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", 1)},
}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]I?B|B?)", re.IGNORECASE | re.ASCII)


@command(
    app,
    "query",
    examples=[
        "nbactl query 'SELECT team_abbr, points FROM nba_analytics.team_offense_game_summary ORDER BY points DESC'",
        "nbactl query 'SELECT COUNT(*) FROM nba_raw.games WHERE game_date = @day' --param day:DATE=2025-01-07",
        "nbactl query 'SELECT * FROM nba_raw.games' --dry-run",
        "nbactl query 'SELECT * FROM nba_raw.games' --limit 5000 -o csv",
    ],
    csv=True,
)
def query_(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    sql: Annotated[
        str | None, typer.Argument(metavar="SQL", help="The query; `-` reads it from stdin.", show_default=False)
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="Read the query from a file.", metavar="FILE")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            help="Value of @NAME: a STRING, or of the type given, such as DATE, INT64 or ARRAY<STRING>. Repeatable.",
            metavar="NAME[:TYPE]=VALUE",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many rows.", min=1, metavar="N")] = DEFAULT_LIMIT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the query, and show what it reads and costs; do not run it.")
    ] = False,
    max_bytes: Annotated[
        str | None,
        typer.Option(help="Refuse a query that is billed for more, such as 500MB or 2GB (gcp).", metavar="SIZE"),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            help="Give up after this time.", metavar="DURATION", show_default="warehouse.query in timeouts.yaml"
        ),
    ] = None,
    source: SourceOption = None,
) -> View:
    """Run one read-only query, in BigQuery's dialect on either target.

    Anything but a query is refused. On gcp a query that costs more than the setting query_ask_usd is run only after
    its price was confirmed.
    """
    request = QueryRequest(
        _text(sql, None if file is None else Path(file)),
        tuple(param or ()),
        limit=limit,
        dry_run=dry_run,
        max_bytes=None if max_bytes is None else parse_size(max_bytes),
        timeout=None if timeout is None else parse_duration(timeout),
    )
    found = query(container_of_source(ctx, source), request, confirm=asking(ctx))
    return view.answer(found, for_person=settings(ctx).for_person)


def parse_size(text: str, option: str = "--max-bytes") -> int:
    """Return the bytes that a size means: `500MB` is decimal, `500MiB` binary. Raises UsageError."""
    match = _SIZE.fullmatch(text)
    unit = None if match is None else _UNITS.get("" if match[2].upper() == "B" else match[2].upper())
    size = 0.0 if match is None or unit is None else float(match[1]) * unit
    if not 1 <= size <= _MOST_BYTES:
        raise UsageError(f"{option}: '{text}' is not a size", next_step="Examples: 500MB, 2GB, 1TiB, 1000000.")
    return int(size)


def _text(sql: str | None, file: Path | None) -> str:
    if (sql is None) == (file is None):
        problem = "there is no query" if sql is None else "a query and --file were both given"
        raise UsageError(problem, next_step="Give one: SQL in quotes, -f FILE, or - for stdin.")
    if file is not None and str(file) != "-":
        try:
            return read_regular(file, _MOST_SQL).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"--file: {file} cannot be read", cause=reason, next_step="Name a file of SQL.") from error
    if file is None and sql != "-":
        return str(sql)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no query on stdin", next_step="Pipe it in: echo 'SELECT 1' | nbactl query -")
    return sys.stdin.read()
