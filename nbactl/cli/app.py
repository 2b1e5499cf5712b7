"""The commands of nbactl: one line each, imported when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from nbactl import __version__
from nbactl.cli.frame import Entry, LazyGroup, show_result
from nbactl.cli.show.render import View
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.session import Session
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings

_WORK = "Run the pipeline"
_REPAIR = "Look after what it leaves"
_SETUP = "Set up and understand"

# Each module has `app = single()` with one command of the same name, or `app = group()` with several (cli/_typer.py).
COMMANDS = (
    Entry("run", "nbactl.cli.run.parser", "Run phases, workflows or tasks of a game date.", _WORK),
    Entry("runs", "nbactl.cli.runs.parser", "List, show, follow, cancel and draw runs.", _WORK),
    Entry("status", "nbactl.cli.status.parser", "Show the board of a game date.", _WORK),
    Entry("schedule", "nbactl.cli.schedule.parser", "Show when workflows are due.", _WORK),
    Entry("flags", "nbactl.cli.flags", "Roll features out by percent, and back.", _WORK),
    Entry("migrate", "nbactl.cli.migrate.command", "Move completions to a subcollection, online.", _REPAIR),
    Entry("batches", "nbactl.cli.batches.command", "List, show, complete and reset prediction batches.", _REPAIR),
    Entry("leases", "nbactl.cli.leases.parser", "Show who holds what, and free what is left over.", _REPAIR),
    Entry("breakers", "nbactl.cli.breakers.command", "Show and reset circuit breakers.", _REPAIR),
    Entry("outbox", "nbactl.cli.outbox.command", "List and publish messages that wait.", _REPAIR),
    Entry("config", "nbactl.cli.config.parser", "Show, check and explain settings and files.", _SETUP),
    Entry("doctor", "nbactl.cli.doctor.parser", "Check this installation and its data.", _SETUP),
    Entry("completion", "nbactl.cli.completion.command", "Print the completion script of your shell.", _SETUP),
    Entry("help", "nbactl.cli.help.command", "Explain the environment, exit codes, output or dates.", _SETUP),
)


class Root(LazyGroup):
    """`nbactl` itself."""

    table = {entry.name: entry for entry in COMMANDS}  # noqa: RUF012 - never changed


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
    if settings(ctx).output != "table":
        raise UsageError("No command was given", next_step="Run 'nbactl --help'.")
    return show_result(session(ctx), View({}, lambda console: console.out.write(ctx.get_help() + "\n")))


def build() -> Any:
    """Return the command tree; commands are still entries that name their module."""
    app = typer.Typer(
        cls=Root, add_completion=False, rich_markup_mode=None, invoke_without_command=True, no_args_is_help=False
    )
    app.callback()(root)
    return get_command(app)


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
    return session(ctx).container
