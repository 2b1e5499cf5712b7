"""`nbactl migrate`: online migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import console, container, settings
from nbactl.cli.ask import operator
from nbactl.cli.frame import command, group
from nbactl.cli.migrate.actions import Actions, refused_answer
from nbactl.cli.migrate.json import state_json
from nbactl.cli.migrate.progress import watching
from nbactl.cli.migrate.request import ACTIONS, Options, Request, check_options, one_action, parse_rate, parse_stage
from nbactl.cli.migrate.watch import watched
from nbactl.cli.show.render import View
from nbactl.cli.show.times import moment
from nbactl.cli.signals import interruptible
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.durations import parse_duration
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import InterruptedRunError, UsageError
from nbactl.migrations.completions.migration import NAME, Caller
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.model import Operator
from nbactl.migrations.registry import MIGRATIONS

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console

app = group()

_ACTION = "Action (one at a time)"
_WHAT = "What"
_HOW = "How"
_TERMINATED = 143


@command(app, "list", examples=["nbactl migrate list", "nbactl migrate list -o json"])
def list_(ctx: typer.Context) -> View:
    """List the migrations, and the stage each one is in."""
    services = container(ctx, reads_only=True)
    state = services.completions_migration.record.read()
    rows = [{**state_json(state), "summary": entry.summary} for entry in MIGRATIONS]

    def show(console: Console) -> None:
        console.table(
            ("migration", "stage", "since", "what"),
            [
                (entry.name, state.stage, moment(state.changed_at) if state.changed_at else "", entry.summary)
                for entry in MIGRATIONS
            ],
        )

    return View({"migrations": rows}, show, items="migrations")


def _action(flag: str, help_: str) -> Any:  # noqa: ANN401 - Typer's own type is private
    return typer.Option(flag, help=help_, rich_help_panel=_ACTION, show_default=False)


@command(
    app,
    "completions",
    examples=[
        "nbactl migrate completions",
        "nbactl migrate completions --plan --rate 500/s",
        "nbactl migrate completions --start-dual-write --dry-run",
        "nbactl migrate completions --validate --sample 10 -o json",
        "nbactl migrate completions --repair --dry-run",
    ],
)
def completions(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    status: Annotated[
        bool, _action("--status", "Show the stage and what the next step stands on (the default).")
    ] = False,
    plan: Annotated[
        bool, _action("--plan", "Say what would be done, what it costs, and what stands in its way.")
    ] = False,
    start_dual_write: Annotated[
        bool, _action("--start-dual-write", "Have writers write array and subcollection in one commit.")
    ] = False,
    backfill: Annotated[
        bool, _action("--backfill", "Create the documents that are missing; overwrites nothing.")
    ] = False,
    validate: Annotated[
        bool, _action("--validate", "Compare both sides: ids, payloads, counters. Exits with 1 if they differ.")
    ] = False,
    repair: Annotated[bool, _action("--repair", "Show what makes both sides agree, and do it.")] = False,
    switch_reads: Annotated[bool, _action("--switch-reads", "Have readers read the subcollection.")] = False,
    stop_dual_write: Annotated[
        bool, _action("--stop-dual-write", "Have writers write the subcollection alone.")
    ] = False,
    cleanup: Annotated[
        bool, _action("--cleanup", "Save the arrays, then remove them. No rollback leads back; --undo does.")
    ] = False,
    rollback: Annotated[bool, _action("--rollback", "Go back a stage, with nobody lost.")] = False,
    pause: Annotated[bool, _action("--pause", "Have whatever is at work hold on, from any terminal.")] = False,
    resume: Annotated[bool, _action("--resume", "Let it go on.")] = False,
    batch: Annotated[
        list[str] | None, typer.Option(help="Only this batch; repeat it for more.", metavar="ID", rich_help_panel=_WHAT)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only batches of this game date and later ones.", metavar="DATE", rich_help_panel=_WHAT),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            help="Only so many percent of the batches; never enough for a gate.", metavar="PCT", rich_help_panel=_WHAT
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            help="Write at most so many documents a second.",
            metavar="N/s",
            rich_help_panel=_HOW,
            show_default="500/s, then 50 % more every 5 minutes; unbounded on local",
        ),
    ] = None,
    max_age: Annotated[
        str | None,
        typer.Option(
            help="How old the validation may be that the step stands on.",
            metavar="DURATION",
            rich_help_panel=_HOW,
            show_default="migration.validation_max_age in timeouts.yaml",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Validate again and again until Ctrl-C.", rich_help_panel=_HOW)
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why, for the history.", metavar="TEXT", rich_help_panel=_HOW)
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(
            help="Take the step although it lacks proof or time; the migration's name has to be typed.",
            metavar="completions",
            rich_help_panel=_HOW,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Roll back as far as this stage, and not further however often it is given.",
            metavar="STAGE",
            rich_help_panel=_HOW,
            show_default="one stage",
        ),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            help="With --cleanup: put the arrays of this file back, as a clean-up saved them.",
            metavar="FILE",
            rich_help_panel=_HOW,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.", rich_help_panel=_HOW)
    ] = False,
) -> View:
    """Move completions from the array of a batch to a subcollection, while writers run.

    Stages: legacy, dual_write, backfilled, validated, reads_switched, dual_write_stopped, cleaned. Each step is refused
    (6) until the one before has proved what it needs; all but the last can be rolled back. What is interrupted goes on
    when the same command is given again.
    """
    asked = (status, plan, start_dual_write, backfill, validate, repair, switch_reads, stop_dual_write, cleanup)
    action = one_action(dict(zip(ACTIONS, (*asked, rollback, pause, resume), strict=True)))
    options = Options(tuple(batch or ()), since, sample, rate, max_age, watch, force, to, undo, dry_run, reason)
    check_options(action, options)
    reads = action in {"status", "plan"} or dry_run
    services = container(ctx, reads_only=reads)
    request = _request(services, action, options)
    cancellation = Cancellation()
    out, output = console(ctx), settings(ctx).output
    if watch and output == "json":
        raise UsageError(
            "--watch does not go together with --output json",
            cause="JSON output is one document, and what is watched has no end.",
            next_step="Use --output jsonl: one round a line.",
        )

    def ask(question: str, *, always: bool = False) -> None:
        if (always or settings(ctx).target == "gcp") and not out.confirm(question):
            raise refused_answer()

    who = Operator(operator(), reason)
    if watch:
        return watched(
            services.completions_migration,
            request.selection,
            Caller(who, lambda _event: None, cancellation),
            out,
            services.clock,
            every=services.config.timeouts["migration.watch_every"],
        )
    with (
        interruptible(cancellation.request),
        watching(out, services.clock, NAME, output) as observe,
    ):
        try:
            return Actions(services, request, Caller(who, observe, cancellation), ask, out.note).run()
        except InterruptedRunError as error:
            if cancellation.reason != "SIGTERM":
                raise
            return View({}, lambda _console: None, exit_code=_TERMINATED, error=error)


def _request(services: Container, action: str, options: Options) -> Request:
    since = None
    if options.since is not None:
        now = services.clock.now()
        since = GameDate.parse(options.since, now=now, latest=lambda: GameDate(services.source.latest()))
    return Request(
        action=action,
        selection=Selection(options.batch, since, options.sample),
        rate=parse_rate(options.rate),
        max_age=None if options.max_age is None else parse_duration(options.max_age),
        watch=options.watch,
        force=options.force is not None,
        to=parse_stage(options.to),
        undo=options.undo,
        dry_run=options.dry_run,
        reason=options.reason,
    )
