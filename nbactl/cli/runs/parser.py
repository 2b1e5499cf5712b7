"""The command line of `nbactl runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from nbactl.cli.app import console, container, settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import game_date, since_time
from nbactl.cli.frame import command, group
from nbactl.cli.runs import view
from nbactl.cli.runs.command import (
    LEVELS,
    STATES,
    CancelRequest,
    DismissRequest,
    LogRequest,
    RunListRequest,
    cancel_run,
    dismiss_runs,
    list_runs,
    log_path,
    read_log,
    show_runs,
)
from nbactl.cli.show.render import View
from nbactl.cli.signals import until_left
from nbactl.core._support.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.cli.runs.production import Origin

app = group()

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Id of a run, the beginning of one, or `last`.",
        show_default=False,
        autocompletion=completing.runs,
    ),
]
GroupArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Id of a run or of a group, the beginning of one, or `last`: the last run with its group.",
        show_default=False,
        autocompletion=completing.runs_and_groups,
    ),
]


@command(
    app,
    "list",
    examples=[
        "nbactl runs list",
        "nbactl runs list --name phase3 --status failed --since 7d",
        "nbactl runs list --expand -o wide",
        "nbactl runs list --origin production --date yesterday",
    ],
)
def list_(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Option(help="Runs of this phase, workflow or task.", autocompletion=completing.executables),
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Runs of this game date.", metavar="DATE", autocompletion=completing.dates)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Runs started within this time (`12h`) or since this date.",
            metavar="DURATION|DATE",
            autocompletion=completing.dates,
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help=f"Runs in this state: {', '.join(STATES)}.", metavar="STATE", autocompletion=completing.run_states
        ),
    ] = None,
    group_id: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Runs of this group: those that one command started.",
            metavar="GROUP",
            autocompletion=completing.groups,
        ),
    ] = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="List each run of a group, as with --name, --date, --status and --group.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
    origin: Annotated[
        str | None,
        typer.Option(
            help="Runs of nbactl, or those that production's own programs logged in the warehouse.",
            metavar="nbactl|production|all",
            show_default="all on gcp, else nbactl",
            autocompletion=completing.origins,
        ),
    ] = None,
) -> View:
    """List runs, the newest first. The runs that one command started are a group, which is one line.

    Without --date or --since, production's runs are those of the last seven days.
    """
    opened = container(ctx, reads_only=True)
    request = RunListRequest(
        name=name,
        date=game_date(opened, date) if date else None,
        since=since_time(opened, since) if since else None,
        status=status,
        group=group_id,
        limit=limit,
        expand=expand,
        origin=cast("Origin | None", origin),
    )
    return view.run_list(list_runs(opened, request))


@command(app, "show", examples=["nbactl runs show last", "nbactl runs show last -v"])
def show_(ctx: typer.Context, run: GroupArgument) -> View:
    """Show a run: its tasks, what they wrote, and what went wrong; -v adds tracebacks.

    The runs that one command starts, such as those of a date range, are a group. `last` and the id of a group show all
    of its runs, of a range a line for each phase, and the details of those that did not succeed.
    """
    opened = container(ctx, reads_only=True)
    found = show_runs(opened, run)
    return view.run_group(found, lambda run_id: log_path(opened, run_id))


@command(app, "logs", examples=["nbactl runs logs last", "nbactl runs logs last --follow --level warning"])
def logs(
    ctx: typer.Context,
    run: RunArgument,
    task: Annotated[
        str | None,
        typer.Option(help="What this task logged.", metavar="TASK", autocompletion=completing.tasks),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until the run ends.")] = False,
    level: Annotated[
        str,
        typer.Option(
            help=f"At least this severe: {', '.join(LEVELS)}.", metavar="LEVEL", autocompletion=completing.log_levels
        ),
    ] = "info",
) -> View:
    """Show what a run logged, in Eastern time."""
    opened = container(ctx, reads_only=True)

    def polls() -> Iterator[None]:
        for _ in until_left(opened.config.timeouts["run.watch_poll"]):
            yield
            console(ctx).out.flush()

    log = read_log(opened, LogRequest(run, task=task, level=level), polls=polls() if follow else None)
    return view.run_log(log, at_once=settings(ctx).output in ("json", "yaml"))


@command(app, "cancel", examples=["nbactl runs cancel last --dry-run"])
def cancel(
    ctx: typer.Context,
    run: RunArgument,
    timeout: Annotated[
        str | None,
        typer.Option(
            help="Wait this long for its end.", metavar="DURATION", show_default="run.cancel_wait in timeouts.yaml"
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.", show_default="wait")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be cancelled, and change nothing.")
    ] = False,
) -> View:
    """Stop a run in an orderly way, from another terminal. Finished tasks are kept, and the run can be resumed."""
    request = CancelRequest(run, timeout=parse_duration(timeout) if timeout else None, wait=wait, dry_run=dry_run)
    return view.cancelled(cancel_run(container(ctx, reads_only=True), request, confirm=asking(ctx)))


@command(
    app,
    "dismiss",
    examples=["nbactl runs dismiss last --reason 'source was down' --dry-run", "nbactl runs dismiss last --undo"],
)
def dismiss(
    ctx: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Ids of failed runs, the beginning of one, or `last`.",
            show_default=False,
            autocompletion=completing.runs,
        ),
    ],
    reason: Annotated[str | None, typer.Option(help="Why it needs no repair.", metavar="TEXT")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Show and count them again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be dismissed, and change nothing.")
    ] = False,
) -> View:
    """Dismiss failures that need no repair: `nbactl status` does not list or count them any more."""
    request = DismissRequest(tuple(runs), reason=reason, undo=undo, dry_run=dry_run)
    return view.dismissed(dismiss_runs(container(ctx, reads_only=True), request, confirm=asking(ctx)))


@command(app, "gantt", examples=["nbactl runs gantt last", "nbactl runs gantt last --html run.html"])
def gantt(
    ctx: typer.Context,
    run: GroupArgument,
    html: Annotated[
        Path | None, typer.Option(help="Write it as one self-contained page instead.", metavar="FILE")
    ] = None,
) -> View:
    """Draw when each task of a run started and ended, and how many ran at once.

    Of a group all runs are drawn, of a range one cell for each date and phase.
    """
    opened = container(ctx, reads_only=True)
    return view.drawn(show_runs(opened, run), opened.clock.now(), html)
