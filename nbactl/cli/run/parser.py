"""The command line of `nbactl run`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from nbactl.cli.app import console, container, session
from nbactl.cli.ask import Question, asking
from nbactl.cli.completion.values import dates, executables, runs, sources, tasks
from nbactl.cli.dates import dates_to_check, game_dates
from nbactl.cli.frame import command, single
from nbactl.cli.run import command as commands
from nbactl.cli.run import view
from nbactl.cli.run.progress import progress_on
from nbactl.cli.show.render import View
from nbactl.cli.signals import interruptible
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError
from nbactl.workflows.model import RunRequest

app = single()

_WHEN = "When"
_WHAT = "What"
_HOW = "How"

_EXAMPLES = (
    "nbactl run phase3 --dry-run",
    "nbactl run phase1 phase2",
    "nbactl run phase3 --skip upcoming_team_game_context",
    "nbactl run daily --from 2024-01-10 --to 2024-01-12 --source path:DIR",
    "nbactl run daily --gaps --dry-run",
)


@command(app, "run", examples=_EXAMPLES)
def run(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    name: Annotated[
        list[str],
        typer.Argument(
            help="A phase, a workflow, a task, or `daily` for all phases.",
            metavar="NAME...",
            autocompletion=executables,
        ),
    ],
    date: Annotated[
        str | None,
        typer.Option(
            help="Game date: YYYY-MM-DD, today, yesterday, tomorrow or latest.",
            metavar="DATE",
            autocompletion=dates,
            rich_help_panel=_WHEN,
            show_default="latest; today on gcp",
        ),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            autocompletion=dates,
            help="Run every date with games from this one on, oldest first.",
            metavar="DATE",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Last date of a range that begins with --from.",
            metavar="DATE",
            autocompletion=dates,
            rich_help_panel=_WHEN,
            show_default="as of --date",
        ),
    ] = None,
    gaps: Annotated[
        bool,
        typer.Option(
            "--gaps",
            help="Run only what `nbactl expect` finds missing, failed, partial or stale; by default of last night and "
            "today.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            help="Source of game data.",
            metavar="sample|path:DIR|nba_api",
            rich_help_panel=_WHAT,
            autocompletion=sources,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only these tasks; repeat it, or separate them by commas.",
            metavar="TASK",
            rich_help_panel=_WHAT,
            autocompletion=tasks,
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Leave out these tasks.", metavar="TASK", rich_help_panel=_WHAT, autocompletion=tasks),
    ] = None,
    upstream: Annotated[
        Literal["auto", "run", "skip", "fail"],
        typer.Option(
            help="What to do about unfinished upstream phases: run them, skip them, or fail (exit 6). "
            "auto is run on local and fail on gcp.",
            rich_help_panel=_WHAT,
        ),
    ] = "auto",
    resume: Annotated[
        str | None,
        typer.Option(
            help="Resume this run; exit 4 if there is nothing to resume. Without it an unfinished run is resumed if "
            "there is one.",
            metavar="RUN|last",
            autocompletion=runs,
            rich_help_panel=_HOW,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Start over, even if it is finished; its upstream phases too with --upstream run.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    stale_on: Annotated[
        Literal["code", "data", "both"],
        typer.Option(
            help="What makes a finished task stale besides a lost output: its code, the data it reads, or both.",
            rich_help_panel=_HOW,
        ),
    ] = "both",
    mode: Annotated[
        Literal["parallel", "sequential"] | None,
        typer.Option(help="Override the execution mode of workflows.yaml.", rich_help_panel=_HOW),
    ] = None,
    max_workers: Annotated[
        int | None,
        typer.Option(help="Tasks that run at the same time.", min=1, max=256, metavar="N", rich_help_panel=_HOW),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Stop each run after this long.", metavar="DURATION", rich_help_panel=_HOW)
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            help="Wait until the runs have ended; always on local. Exit 8 if services still work then.",
            show_default="wait",
            rich_help_panel=_HOW,
        ),
    ] = True,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process",
            help="Compute in this process instead of calling services; always on local.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and change nothing.", rich_help_panel=_HOW)
    ] = False,
) -> View:
    """Run phases, workflows or tasks of a game date.

    A run that failed or was interrupted is resumed: tasks that succeeded do not run again. A finished date is skipped
    while it is fresh. What is stale runs again, upstream first: its source, a table that it reads or its code changed,
    or its output is gone. `docs/freshness.md` has the rule.
    With --gaps it runs what `nbactl expect` finds lacking, dependencies first, and nothing else.
    Ctrl-C stops in an orderly way; the same command resumes. If it is killed, run it again; it resumes.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    if not wait and (in_process or call.settings.target == "local"):
        raise UsageError(
            f"--no-wait does not work {'with --in-process' if in_process else 'on target local'}",
            cause="The run is part of this process and ends with it.",
            next_step="Leave out --no-wait; in a shell, `nbactl run … &` runs it in the background.",
        )
    opened = container(ctx, reads_only=dry_run)
    opened.in_process = in_process and call.settings.target == "gcp"
    request = RunRequest(
        names=tuple(name),
        dates=dates_to_check(opened, date, first, last) if gaps else game_dates(opened, date, first, last),
        mode=mode,
        max_workers=max_workers,
        only=split_names(only),
        skip=split_names(skip),
        resume=resume,
        force=force,
        upstream=upstream,
        timeout=parse_duration(timeout) if timeout else None,
        stale_on=stale_on,
        wait=wait,
    )
    if gaps:
        from nbactl.cli.run.gaps import with_gaps

        lacking = with_gaps(opened, request)
        if lacking is None:
            return view.nothing_lacks(request)
        request = lacking
    if dry_run:
        return view.planned(commands.plan(opened, request))
    from nbactl.bootstrap.season import notice_halts

    notice_halts(opened, request.dates)
    days = str(request.dates[0]) if len(request.dates) == 1 else f"{request.dates[0]} to {request.dates[-1]}"
    asking(ctx)(Question(f"Run {', '.join(name)} for {days}{' in process' if opened.in_process else ''}?"))
    cancellation = Cancellation()
    with progress_on(console(ctx), opened.clock) as progress:
        plans = commands.plan(opened, request)  # Ctrl-C ends it at once: nothing has begun
        progress.begin(plans)
        with interruptible(cancellation.request):
            report = commands.run(
                opened, request, plans=plans, observer=progress, announce=progress.say, cancellation=cancellation
            )
    within = opened.in_process
    mend = commands.mend_command(report.outdated, call.settings, in_process=within) if report.outdated else None
    return view.finished(report, commands.resume_command(request, call.settings, in_process=within), mend)


def split_names(values: list[str] | None) -> tuple[str, ...]:
    """Return the names of an option that may be repeated and may hold several, separated by commas."""
    return tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())
