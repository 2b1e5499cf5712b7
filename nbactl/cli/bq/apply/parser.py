"""The command line of `nbactl bq apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nbactl.cli.app import console, settings
from nbactl.cli.ask import asking
from nbactl.cli.bq.apply import command as actions
from nbactl.cli.bq.apply.request import ACTIONS, KEEP, ApplyRequest, check_options, one_action
from nbactl.cli.bq.apply.view import result_view, status_view
from nbactl.cli.bq.options import DropColumns, Schemas  # noqa: TC001 - Typer reads the annotations
from nbactl.cli.completion import values as completing
from nbactl.cli.migrate.progress import show_progress
from nbactl.cli.query.parser import parse_size
from nbactl.cli.show.render import View
from nbactl.cli.signals import interruptible
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.durations import parse_duration
from nbactl.errors import InterruptedRunError

EXAMPLES: Final = [
    "nbactl bq apply plan.json",
    "nbactl bq apply --table nba_raw.games --rate 50MB/s",
    "nbactl bq apply --status",
    "nbactl bq apply --undo --table nba_raw.games",
]
_TERMINATED: Final = 143


def _action(flag: str, help_: str) -> Any:  # noqa: ANN401 - Typer's own type is private
    return typer.Option(flag, help=help_, rich_help_panel="Action (instead of applying)", show_default=False)


def apply(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="The plan, from nbactl bq plan --out.", show_default="the tables are planned now"
        ),
    ] = None,
    status: Annotated[bool, _action("--status", "Show how far the plans of tables are.")] = False,
    pause: Annotated[bool, _action("--pause", "Make it wait after its statement; works from any terminal.")] = False,
    resume: Annotated[bool, _action("--resume", "Let it continue.")] = False,
    undo: Annotated[bool, _action("--undo", "Undo the last plan of a table; rows written since are kept.")] = False,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table", help="Only this table; repeat it for more.", metavar="TABLE", autocompletion=completing.tables
        ),
    ] = None,
    schema: Schemas = None,
    drop_columns: DropColumns = False,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep", help="How long the old table or snapshot is kept.", metavar="DURATION", show_default=KEEP
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", help="Write at most so many bytes a second.", metavar="SIZE/s", show_default="no limit"),
    ] = None,
    max_bytes: Annotated[
        str | None,
        typer.Option(
            "--max-bytes", help="Bytes that one statement may be billed.", metavar="SIZE", show_default="no limit"
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the history.", metavar="TEXT")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the plan and the tables, and change nothing.")
    ] = False,
    source: SourceOption = None,
) -> View:
    """Change tables as a plan says, or as they are declared; what was before is kept for a while.

    All tables are checked first: a plan whose table has changed is refused (exit 6). If it is killed, run it again; it
    resumes. Exit 3 if some changes of the plan are refused.
    """
    action = one_action(dict(zip(ACTIONS, (status, pause, resume, undo), strict=True)))
    request = ApplyRequest(
        file=file,
        tables=tuple(table or ()),
        schemas=tuple(map(Path, schema or ())),
        drop_columns=drop_columns,
        keep=None if keep is None else parse_duration(keep),
        rate=None if rate is None else float(parse_size(rate.removesuffix("/s"), "--rate")),
        max_bytes=None if max_bytes is None else parse_size(max_bytes),
        dry_run=dry_run,
        reason=reason,
    )
    check_options(action, request)
    app_ = container_of_source(ctx, source, reads_only=action == "status" or dry_run)
    if action == "status":
        return status_view(actions.show_status(app_, request))
    if action == "pause":
        return status_view(actions.pause(app_, request, confirm=asking(ctx)), "To continue: nbactl bq apply --resume")
    if action == "resume":
        return status_view(actions.resume(app_, request, confirm=asking(ctx)), "It continues.")
    cancellation = Cancellation()
    progress = show_progress(console(ctx), app_.clock, settings(ctx).output, migration="bq apply", unit="ranges")
    with interruptible(cancellation.request), progress as observer:
        try:
            run = actions.undo if action == "undo" else actions.apply
            done = run(app_, request, confirm=asking(ctx), observer=observer, cancellation=cancellation)
        except InterruptedRunError as error:
            if cancellation.reason != "SIGTERM":
                raise
            return View({}, lambda _console: None, exit_code=_TERMINATED, error=error)
    return result_view(done)
