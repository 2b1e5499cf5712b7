"""The command line of `nbactl migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nbactl.cli.app import console, container, settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.migrate import command as actions
from nbactl.cli.migrate import view
from nbactl.cli.migrate.progress import show_progress
from nbactl.cli.migrate.request import (
    ACTIONS,
    MigrateRequest,
    check_options,
    one_action,
    parse_force,
    parse_rate,
    parse_sample,
    parse_stage,
)
from nbactl.cli.show.render import View
from nbactl.cli.signals import interruptible, until_left
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.durations import parse_duration
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm

app = group()

_ACTION = "Action (one at a time)"
_WHAT = "What"
_HOW = "How"
_TERMINATED = 143


@command(app, "list", examples=["nbactl migrate list", "nbactl migrate list -o json"])
def list_(ctx: typer.Context) -> View:
    """List the migrations, and the stage of each."""
    return view.migration_list(actions.list_migrations(container(ctx, reads_only=True)))


def _action(flag: str, help_: str) -> Any:  # noqa: ANN401 - Typer's own type is private
    return typer.Option(flag, help=help_, rich_help_panel=_ACTION, show_default=False)


@command(
    app,
    "completions",
    examples=[
        "nbactl migrate completions",
        "nbactl migrate completions --plan --rate 500/s",
        "nbactl migrate completions --start-dual-write --dry-run",
        "nbactl migrate completions --plan --since 2024-01-01 -o json",
        "nbactl migrate completions --repair --dry-run",
    ],
)
def completions(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    status: Annotated[bool, _action("--status", "Show the stage and what the next step needs (the default).")] = False,
    plan: Annotated[bool, _action("--plan", "Show what would be done, what it costs, and the risks.")] = False,
    start_dual_write: Annotated[
        bool, _action("--start-dual-write", "Make writers write array and subcollection in one commit.")
    ] = False,
    backfill: Annotated[bool, _action("--backfill", "Create the missing documents; overwrites nothing.")] = False,
    validate: Annotated[
        bool, _action("--validate", "Compare both sides: ids, payloads, counters. Exit 1 if they differ.")
    ] = False,
    repair: Annotated[bool, _action("--repair", "Make both sides agree; --dry-run shows the changes.")] = False,
    switch_reads: Annotated[bool, _action("--switch-reads", "Make readers read the subcollection.")] = False,
    stop_dual_write: Annotated[
        bool, _action("--stop-dual-write", "Make writers write only the subcollection.")
    ] = False,
    cleanup: Annotated[
        bool, _action("--cleanup", "Save the arrays, then remove them. Only --undo restores them.")
    ] = False,
    rollback: Annotated[
        bool, _action("--rollback", "Go back to where writers or readers were before; no completion is lost.")
    ] = False,
    pause: Annotated[bool, _action("--pause", "Make the running action wait; works from any terminal.")] = False,
    resume: Annotated[bool, _action("--resume", "Let it continue.")] = False,
    batch: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this batch; repeat it for more.",
            metavar="ID",
            rich_help_panel=_WHAT,
            autocompletion=completing.batches,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only batches of this game date and later ones.",
            metavar="DATE",
            rich_help_panel=_WHAT,
            autocompletion=completing.dates,
        ),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            help="Only this percentage of the batches; no gate accepts it.", metavar="PCT", rich_help_panel=_WHAT
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            help="Write at most this many documents per second.",
            metavar="N/s",
            rich_help_panel=_HOW,
            show_default="500/s, then 50 % more every 5 minutes; no limit on local",
        ),
    ] = None,
    max_age: Annotated[
        str | None,
        typer.Option(
            help="How old the validation may be that the step needs.",
            metavar="DURATION",
            rich_help_panel=_HOW,
            show_default="migration.validation_max_age in timeouts.yaml",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Repeat the validation until Ctrl-C.", rich_help_panel=_HOW)
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why, for the history.", metavar="TEXT", rich_help_panel=_HOW)
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(
            help="Take the step without its proof or waiting time; type the migration's name.",
            metavar="completions",
            rich_help_panel=_HOW,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Roll back to this stage; running it again goes no further.",
            metavar="STAGE",
            rich_help_panel=_HOW,
            show_default="one stage",
            autocompletion=completing.stages,
        ),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            help="With --cleanup: restore the arrays that a clean-up saved in this file.",
            metavar="FILE",
            rich_help_panel=_HOW,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.", rich_help_panel=_HOW)
    ] = False,
) -> View:
    """Move completions from the array of a batch to a subcollection, while writers run.

    Stages: legacy, dual_write, backfilled, validated, reads_switched, dual_write_stopped, cleaned. A step is refused
    (exit 6) until the step before has proved what it needs; all steps but the last can be rolled back. If an action is
    interrupted, run it again; it resumes. To rehearse it on sample data: nbactl demo.
    """
    chosen = (status, plan, start_dual_write, backfill, validate, repair, switch_reads, stop_dual_write, cleanup)
    action = one_action(dict(zip(ACTIONS, (*chosen, rollback, pause, resume), strict=True)))
    app_ = container(ctx, reads_only=action in {"status", "plan"} or dry_run)
    request = MigrateRequest(
        batch=tuple(batch or ()),
        since=_game_date(app_, since),
        sample=parse_sample(sample),
        rate=parse_rate(rate),
        max_age=None if max_age is None else parse_duration(max_age),
        watch=watch,
        force=parse_force(force),
        to=parse_stage(to),
        undo=undo,
        dry_run=dry_run,
        reason=reason,
    )
    check_options(action, request)
    return _watch(ctx, app_, request) if watch else _act(ctx, app_, action, request)


def _act(ctx: typer.Context, app: Container, action: str, request: MigrateRequest) -> View:
    """Run an action with its progress shown; the first signal stops it after its chunk."""
    cancellation = Cancellation()
    with (
        interruptible(cancellation.request),
        show_progress(console(ctx), app.clock, settings(ctx).output) as observer,
    ):
        try:
            run = _RUN["undo" if request.undo else action]
            return run(app, request, asking(ctx), {"observer": observer, "cancellation": cancellation})
        except InterruptedRunError as error:
            if cancellation.reason != "SIGTERM":
                raise
            return View({}, lambda _console: None, exit_code=_TERMINATED, error=error)


_RUN: Final[Mapping[str, Callable[[Container, MigrateRequest, Confirm, dict[str, Any]], View]]] = {
    "status": lambda app, _request, _confirm, _how: view.status(actions.show_status(app)),
    "plan": lambda app, request, _confirm, how: view.plan(actions.plan(app, request, **how)),
    "start-dual-write": lambda app, request, confirm, _how: view.stage_result(
        actions.start_dual_write(app, request, confirm=confirm)
    ),
    "backfill": lambda app, request, confirm, how: view.backfill(
        actions.backfill(app, request, confirm=confirm, **how)
    ),
    "validate": lambda app, request, _confirm, how: view.validation(actions.validate(app, request, **how)),
    "repair": lambda app, request, confirm, how: view.repair(actions.repair(app, request, confirm=confirm, **how)),
    "switch-reads": lambda app, request, confirm, _how: view.stage_result(
        actions.switch_reads(app, request, confirm=confirm)
    ),
    "stop-dual-write": lambda app, request, confirm, _how: view.stage_result(
        actions.stop_dual_write(app, request, confirm=confirm)
    ),
    "cleanup": lambda app, request, confirm, how: view.cleanup(actions.cleanup(app, request, confirm=confirm, **how)),
    "undo": lambda app, request, confirm, how: view.restore(actions.undo_cleanup(app, request, confirm=confirm, **how)),
    "rollback": lambda app, request, confirm, how: view.rollback(
        app, actions.rollback(app, request, confirm=confirm, acknowledged=False, **how)
    ),
    "pause": lambda app, request, confirm, _how: view.stage_result(actions.pause(app, request, confirm=confirm)),
    "resume": lambda app, request, confirm, _how: view.stage_result(actions.resume(app, request, confirm=confirm)),
}


def _watch(ctx: typer.Context, app: Container, request: MigrateRequest) -> View:
    """Validate again and again until Ctrl-C."""
    if settings(ctx).output in ("json", "yaml"):
        raise UsageError(
            "--watch does not go together with --output json",
            cause="JSON output is one document, and --watch has no end.",
            next_step="Use --output jsonl: one line per round.",
        )
    here = console(ctx)
    rounds = until_left(app.config.timeouts["migration.watch_every"])
    return view.watched(actions.watch(app, request, rounds, alert=here.warn), here, app.clock)


def _game_date(app: Container, text: str | None) -> GameDate | None:
    if text is None:
        return None
    return GameDate.parse(text, now=app.clock.now(), latest=lambda: GameDate(app.source.latest()))
