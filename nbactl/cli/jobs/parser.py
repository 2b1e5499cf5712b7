"""The command line of `nbactl jobs`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container, settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, group
from nbactl.cli.jobs import view
from nbactl.cli.jobs.command import (
    ApplyRequest,
    apply_jobs,
    diff_jobs,
    list_jobs,
    pause_job,
    resume_job,
    run_job,
    undo_change,
)
from nbactl.cli.show.render import View
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError

app = group()
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Name of a job.", show_default=False, autocompletion=completing.jobs)
]
JobsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[JOB]...", help="Names of jobs; all without.", show_default=False, autocompletion=completing.jobs
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]


@command(app, "list", examples=["nbactl jobs list", "nbactl jobs list -o json"])
def list_(ctx: typer.Context, jobs: JobsArgument = None) -> View:
    """List the scheduled jobs, and what is wrong with them.

    Declared jobs are under `jobs:` in workflows.yaml. Of each it shows when it runs, what it sends and whether that
    answers, its token, since when and why it is paused, how the last attempt ended, and when the next one is. An
    address that is not of a known service is asked with HEAD and without a token.
    """
    return view.job_list(list_jobs(container(ctx, reads_only=True), tuple(jobs or ())), settings(ctx))


@command(app, "diff", examples=["nbactl jobs diff", "nbactl jobs diff --detailed-exitcode || test $? -eq 3"])
def diff(
    ctx: typer.Context,
    jobs: JobsArgument = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 3 if a declared job differs.")
    ] = False,
) -> View:
    """Compare the declared jobs with those that are there. Jobs that are not declared are named."""
    found = diff_jobs(container(ctx, reads_only=True), tuple(jobs or ()))
    return view.jobs_diff(found, detailed_exitcode=detailed_exitcode)


@command(app, "apply", examples=["nbactl jobs apply --dry-run", "nbactl jobs apply nbactl-heartbeat"])
def apply(
    ctx: typer.Context,
    jobs: JobsArgument = None,
    prune: Annotated[bool, typer.Option("--prune", help="Delete jobs that are not declared; asks first.")] = False,
    dry_run: DryRun = False,
) -> View:
    """Make jobs as they are declared: create, update, pause and resume them.

    A job is changed only if it is still as it was when the plan was made (exit 6 if not). One that was paused with
    `jobs pause` stays paused until that is over. If it is killed, run it again. Each change has its undo.
    """
    request = ApplyRequest(tuple(jobs or ()), prune=prune, dry_run=dry_run)
    return view.jobs_changed(
        apply_jobs(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)), settings(ctx)
    )


@command(app, "run", examples=["nbactl jobs run nbactl-heartbeat --dry-run"])
def run(
    ctx: typer.Context,
    job: JobArgument,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", help="How long to wait for the end.", metavar="DUR", show_default="its deadline"),
    ] = None,
    dry_run: DryRun = False,
) -> View:
    """Run a job once now, also a paused one, and say how the attempt ended: exit 1 if it failed, 8 if it still runs."""
    opened, seconds = container(ctx, reads_only=dry_run), parse_duration(timeout) if timeout else None
    return view.job_run(run_job(opened, job, timeout=seconds, dry_run=dry_run, confirm=asking(ctx)))


@command(
    app,
    "pause",
    examples=["nbactl jobs pause nbactl-heartbeat --reason 'the season is over' --until tomorrow --dry-run"],
)
def pause(
    ctx: typer.Context,
    job: JobArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for `jobs list`.", metavar="TEXT")],
    until: Annotated[
        str | None, typer.Option("--until", help="Last day on which it is paused.", metavar="DATE")
    ] = None,
    dry_run: DryRun = False,
) -> View:
    """Pause a job, and keep who did it and why.

    It stays paused until `jobs resume`. After its last day, or without one after a week (scheduler.forgotten), it is a
    finding of `doctor`. A pause of a whole summer belongs into workflows.yaml.
    """
    if not reason.strip():
        raise UsageError("--reason is empty", next_step="Say why, such as --reason 'the season is over'.")
    opened = container(ctx, reads_only=dry_run)
    day = None if until is None else game_date(opened, until).day
    done = pause_job(opened, job, reason.strip(), day, dry_run=dry_run, confirm=asking(ctx))
    return view.jobs_changed(done, settings(ctx))


@command(app, "resume", examples=["nbactl jobs resume nbactl-heartbeat --dry-run"])
def resume(ctx: typer.Context, job: JobArgument, dry_run: DryRun = False) -> View:
    """Let a paused job run again."""
    opened = container(ctx, reads_only=dry_run)
    return view.jobs_changed(resume_job(opened, job, dry_run=dry_run, confirm=asking(ctx)), settings(ctx))


@command(app, "undo", examples=["nbactl jobs undo job-01kb2f7m4q8x2v0c --dry-run"])
def undo(
    ctx: typer.Context,
    change: Annotated[
        str, typer.Argument(metavar="CHANGE", help="Id of a change of a job, or `last`.", show_default=False)
    ],
    dry_run: DryRun = False,
) -> View:
    """Take a change of a job back, exactly; `last` is the newest that was not taken back.

    It is refused (exit 6) if the job was changed again since.
    """
    opened = container(ctx, reads_only=dry_run)
    return view.jobs_changed(undo_change(opened, change, dry_run=dry_run, confirm=asking(ctx)), settings(ctx))


@command(app, "import", examples=["nbactl jobs import --dry-run"])
def import_(ctx: typer.Context, dry_run: DryRun = False) -> View:
    """Write the jobs that are there and not declared into workflows.yaml, whose other lines stay as they are.

    What cannot be declared is named, with the reason. Look at what it would write with --dry-run first.
    """
    from nbactl.cli.jobs.importing import import_jobs

    opened = container(ctx, reads_only=dry_run)
    return view.imported(import_jobs(opened, dry_run=dry_run, confirm=asking(ctx)))
