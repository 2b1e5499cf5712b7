"""The commands of nbactl: one line each, imported when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl import __version__
from nbactl.cli.frame import CommandEntry, Group, root_group, show_result
from nbactl.cli.show.render import View
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.session import Session
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings

_WORK = "Run the pipeline"
_DATA = "See the data"
_REPAIR = "Repair"
_SETUP = "Set up and learn"

_EXAMPLES = (
    "nbactl run daily --dry-run",
    "nbactl status",
    "nbactl flags list",
    "nbactl doctor",
)
# Each module has `app = single()` with one command of the same name, or `app = group()` with several (cli/frame.py).
COMMANDS = (
    CommandEntry("run", "nbactl.cli.run.parser", "Run phases, workflows or tasks of a game date.", _WORK),
    CommandEntry("runs", "nbactl.cli.runs.parser", "List, show, follow, cancel and draw runs.", _WORK),
    CommandEntry("status", "nbactl.cli.status.parser", "Show the board of a game date.", _WORK),
    CommandEntry("expect", "nbactl.cli.expect.parser", "Show what should be there, and what is.", _WORK),
    CommandEntry("schedule", "nbactl.cli.schedule.parser", "Show when workflows are due.", _WORK),
    CommandEntry("season", "nbactl.cli.season.parser", "Show when games are expected; halt and resume.", _WORK),
    CommandEntry("up", "nbactl.cli.up.parser", "Run the whole pipeline event-driven on this machine.", _WORK),
    CommandEntry("load", "nbactl.cli.load.parser", "Put load on `up` or a URL, and find what is lost.", _WORK),
    CommandEntry("serve", "nbactl.cli.serve.parser", "Serve services of the pipeline over HTTP.", _WORK),
    CommandEntry("flags", "nbactl.cli.flags.parser", "Roll features out by percent, and back.", _WORK),
    CommandEntry("query", "nbactl.cli.query.parser", "Run one read-only query of the warehouse.", _DATA),
    CommandEntry("report", "nbactl.cli.report.parser", "Report reliability, durations, errors and costs.", _DATA),
    CommandEntry("trace", "nbactl.cli.trace.parser", "Follow an id, or a player on a date, through it all.", _DATA),
    CommandEntry("tables", "nbactl.cli.tables.parser", "List and show tables, and count their rows.", _DATA),
    CommandEntry("quarantine", "nbactl.cli.quarantine.parser", "Show records that were refused, and why.", _DATA),
    CommandEntry("bq", "nbactl.cli.bq.parser", "Plan and change BigQuery tables; see costs, quotas.", _DATA),
    CommandEntry("services", "nbactl.cli.services.parser", "See, change and roll back deployed services.", _REPAIR),
    CommandEntry("logs", "nbactl.cli.logs.parser", "Search and follow what services logged.", _REPAIR),
    CommandEntry("heal", "nbactl.cli.heal.parser", "Find what did not happen, and repair it.", _REPAIR),
    CommandEntry("jobs", "nbactl.cli.jobs.parser", "Compare, change and run scheduled jobs.", _REPAIR),
    CommandEntry("migrate", "nbactl.cli.migrate.parser", "Move completions to a subcollection, online.", _REPAIR),
    CommandEntry("batches", "nbactl.cli.batches.parser", "List, show, complete and reset prediction batches.", _REPAIR),
    CommandEntry("leases", "nbactl.cli.leases.parser", "List leases, and release stale ones.", _REPAIR),
    CommandEntry("breakers", "nbactl.cli.breakers.parser", "Show and reset circuit breakers.", _REPAIR),
    CommandEntry("alerts", "nbactl.cli.alerts.parser", "List what alert rules found, and test channels.", _REPAIR),
    CommandEntry("outbox", "nbactl.cli.outbox.parser", "List and publish pending messages.", _REPAIR),
    CommandEntry("dlq", "nbactl.cli.dlq.parser", "List, show, replay and archive dead letters.", _REPAIR),
    CommandEntry("publish", "nbactl.cli.publish.parser", "Publish a message in the form of its topic.", _REPAIR),
    CommandEntry("subscriptions", "nbactl.cli.subscriptions.parser", "List subscriptions and what is wrong.", _REPAIR),
    CommandEntry("audit", "nbactl.cli.audit.parser", "Show who changed what, when and why.", _REPAIR),
    CommandEntry("services", "nbactl.cli.services.parser", "See, change and roll back deployed services.", _REPAIR),
    CommandEntry("prune", "nbactl.cli.prune.parser", "Remove what is kept longer than it must be.", _REPAIR),
    CommandEntry("validate", "nbactl.cli.validate.parser", "Check that a night's cascade ran as it should.", _WORK),
    CommandEntry("check", "nbactl.cli.check.parser", "Find code that hangs or swallows errors.", _SETUP),
    CommandEntry("config", "nbactl.cli.config.parser", "Show, check and explain settings and files.", _SETUP),
    CommandEntry("doctor", "nbactl.cli.doctor.parser", "Check this installation and its data.", _SETUP),
    CommandEntry("demo", "nbactl.cli.demo.parser", "Create sample batches to rehearse the migration on.", _SETUP),
    CommandEntry("completion", "nbactl.cli.completion.parser", "Print the completion script of your shell.", _SETUP),
    CommandEntry("help", "nbactl.cli.help.parser", "Explain topics and commands, and print guides.", _SETUP),
)


def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", show_default=False)] = False,
) -> Any:
    """Operate the NBA statistics and player-prop pipeline."""
    if ctx.invoked_subcommand is not None:
        return None
    if version:
        return show_result(
            session(ctx), View({"version": __version__}, lambda console: console.print(f"nbactl {__version__}"))
        )
    if not settings(ctx).for_person:
        raise UsageError("no command given", next_step="Run 'nbactl --help'.")
    return show_result(session(ctx), View({}, lambda console: console.out.write(ctx.get_help() + "\n")))


def build() -> Group:
    """Return the command tree; commands are still entries that name their module."""
    return root_group(COMMANDS, root, examples=_EXAMPLES)


def session(ctx: typer.Context) -> Session:
    """Return the call that a command belongs to."""
    return ctx.obj  # type: ignore[no-any-return]


def settings(ctx: typer.Context) -> Settings:
    """Return the settings in force."""
    return session(ctx).settings


def console(ctx: typer.Context) -> Console:
    """Return the two streams."""
    return session(ctx).console


def container(ctx: typer.Context, *, reads_only: bool = False) -> Container:
    """Return the composed application; it is closed when the command ends. One that only reads makes no files."""
    session(ctx).reads_only = reads_only
    opened = session(ctx).container
    opened.command = ctx.command_path.partition(" ")[2]
    return opened
