"""`nbactl run`: run phases, workflows, tasks, or all phases of a game date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nbactl.cli.app import console, container, session
from nbactl.cli.completion.values import dates, executables, runs, sources, tasks
from nbactl.cli.frame import command, single
from nbactl.cli.run.json import plan_json, run_json
from nbactl.cli.run.progress import watching
from nbactl.cli.run.request import Calendar, RunOptions, resume_command, split_names, to_request
from nbactl.cli.run.text import show_plan, show_runs
from nbactl.cli.show.render import View
from nbactl.cli.signals import interruptible
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import InterruptedRunError, NbactlError, PartialRunError, RunFailedError
from nbactl.workflows.graph import level_of_tasks
from nbactl.workflows.model import RunStatus, exit_code
from nbactl.workflows.observers import reporting

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.workflows.model import RunReport, RunRequest

app = single()

_WHEN = "When"
_WHAT = "What"
_HOW = "How"

_EXAMPLES = (
    "nbactl run phase3 --dry-run",
    "nbactl run phase1 phase2",
    "nbactl run phase3 --skip upcoming_team_game_context",
    "nbactl run daily --from 2024-01-10 --to 2024-01-12 --source path:DIR",
)


@command(app, "run", examples=_EXAMPLES)
def run(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    name: Annotated[
        list[str],
        typer.Argument(help="A phase, a workflow, a task, or `daily` for all phases.", autocompletion=executables),
    ],
    date: Annotated[
        str | None,
        typer.Option(
            help="Game date: YYYY-MM-DD, today, yesterday or latest.",
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
            help="Run every date with games from this one, oldest first.",
            metavar="DATE",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--to", help="The last date of --from.", metavar="DATE", rich_help_panel=_WHEN, show_default="as of --date"
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Where game data come from.",
            metavar="sample|path:DIR|nba_api",
            rich_help_panel=_WHAT,
            autocompletion=sources,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Run these tasks alone; repeat it, or join them by commas.",
            metavar="TASK",
            rich_help_panel=_WHAT,
            autocompletion=tasks,
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Leave these tasks out.", metavar="TASK", rich_help_panel=_WHAT, autocompletion=tasks),
    ] = None,
    upstream: Annotated[
        Literal["auto", "run", "skip", "fail"],
        typer.Option(
            help="What becomes of phases that must be done before: run them, go on without, or refuse (6). "
            "auto runs them on local and refuses on gcp.",
            rich_help_panel=_WHAT,
        ),
    ] = "auto",
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with this run, and refuse (4) if there is nothing to resume. Without it an unfinished run is "
            "resumed if there is one.",
            metavar="RUN|last",
            autocompletion=runs,
            rich_help_panel=_HOW,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start afresh, even what is finished.", rich_help_panel=_HOW)
    ] = False,
    mode: Annotated[
        Literal["parallel", "sequential"] | None,
        typer.Option(help="Override the execution mode of workflows.yaml.", rich_help_panel=_HOW),
    ] = None,
    max_workers: Annotated[
        int | None, typer.Option(help="Tasks at once.", min=1, max=256, metavar="N", rich_help_panel=_HOW)
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Stop each run after this long.", metavar="DURATION", rich_help_panel=_HOW)
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            help="Wait for the end; on local it always does.",
            show_default="wait",
            rich_help_panel=_HOW,
        ),
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and change nothing.", rich_help_panel=_HOW)
    ] = False,
) -> View:
    """Run phases, workflows or tasks of a game date.

    A run that failed or was interrupted is resumed: only what has not succeeded runs again. A finished date is
    skipped. Ctrl-C stops in an orderly way; the same command goes on.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    options = RunOptions(
        names=tuple(name),
        date=date,
        first=first,
        last=last,
        mode=mode,
        max_workers=max_workers,
        only=split_names(only),
        skip=split_names(skip),
        resume=resume,
        force=force,
        upstream=upstream,
        timeout=timeout,
        wait=wait,
    )
    services = container(ctx, reads_only=dry_run)
    request = to_request(options, _calendar(services), call.settings.target)
    if dry_run:
        return _plan(services, request)
    again = resume_command(options, request, call.settings)
    return _execute(services, request, console(ctx), again)


def _calendar(services: Container) -> Calendar:
    default: Literal["latest", "today"] = "latest" if services.settings.target == "local" else "today"
    return Calendar(services.clock.now(), default, lambda: GameDate(services.source.latest()))


def _plan(services: Container, request: RunRequest) -> View:
    plans = services.planner.plan(request)
    data = {"plan": [plan_json(plan, level_of_tasks(plan.tasks)) for plan in plans]}

    def show(console: Console) -> None:
        show_plan(console, plans)
        console.note("This was a dry run: nothing was changed.")

    return View(data, show, items="plan")


def _execute(services: Container, request: RunRequest, console: Console, again: str) -> View:
    cancellation = Cancellation()
    logs = services.settings.state_dir / "logs"
    rules = services.config.workflows.alerts
    with (
        interruptible(cancellation.request),
        watching(console, logs=logs, rules=rules, alerts=services.alerts, clock=services.clock) as observer,
    ):
        told = reporting(observer, services.failures)
        report = services.runner.execute(request, observer=told, cancellation=cancellation)
    code = exit_code(report)

    def show(console: Console) -> None:
        show_runs(console, report.runs)
        if code == 0 and any(run.status is not RunStatus.SKIPPED for run in report.runs):
            console.note("Timeline: nbactl runs gantt last; log: nbactl runs logs last")
        elif code == 0:
            console.note("There was nothing to do. What is finished runs again with --force.")

    return View(
        {"runs": [run_json(run) for run in report.runs]},
        show,
        items="runs",
        exit_code=code,
        run_id=next((run.run_id for run in reversed(report.runs) if run.run_id), None),
        warnings=report.warnings,
        error=_error(report, code, again),
    )


def _error(report: RunReport, code: int, again: str) -> NbactlError | None:
    """Return why the runs did not all end well, and where to look next."""
    if code == 0:
        return None
    bad = [run for run in report.runs if run.status not in (RunStatus.SUCCEEDED, RunStatus.SKIPPED)]
    what = "; ".join(f"{run.name} {run.game_date} {run.status.value}" for run in bad[:3])
    what += f" and {len(bad) - 3} more runs" if len(bad) > 3 else ""  # noqa: PLR2004
    first = next((run for run in bad), None)
    look = f"nbactl runs show {first.run_id}" if first else "nbactl runs list"
    if code in (130, 143):
        word = "Interrupted" if report.interrupted_by != "SIGTERM" else "Terminated"
        return InterruptedRunError(
            f"{word}; what is done is recorded{f' ({what})' if what else ''}", next_step=f"Resume: {again}"
        )
    failed = [(task.name, task.error) for run in bad for task in run.tasks if task.error]
    steps = [f"Look: {look} -v", f"Resume when it is repaired: {again}"]
    cause = next((run.reason for run in bad if run.reason), None)
    if failed:
        name, told = failed[0]
        cause = ": ".join(str(part).partition("\n")[0] for part in (name, told["message"], told.get("cause")) if part)
        steps = [*filter(None, [told.get("next")]), *steps]
    error = RunFailedError if code == 1 else PartialRunError
    return error(what, cause=cause, next_step="\n".join(steps))
