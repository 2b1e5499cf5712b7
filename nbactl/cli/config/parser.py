"""The command line of `nbactl config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.app import container, settings
from nbactl.cli.completion.values import config_keys
from nbactl.cli.config import view
from nbactl.cli.config.command import explain_key, show_config, validate_config
from nbactl.cli.config.init import InitRequest, init_config
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View

app = group()


@command(
    app,
    "show",
    examples=[
        "nbactl config show --origin",
        "NBACTL_TARGET=gcp nbactl config show -o json",
        "NBACTL_TIMEOUT_WAREHOUSE_QUERY=90s nbactl config show --origin",
    ],
)
def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
) -> View:
    """Show the settings in force, the timeouts that the environment sets, and the files that are read."""
    return view.values(show_config(container(ctx, reads_only=True)), with_origin=origin)


@command(app, "validate", examples=["nbactl config validate", "nbactl config validate --config-dir . -o json"])
def validate(ctx: typer.Context) -> View:
    """Check the three YAML files together.

    Reports every problem at once, with file, line, column and a suggestion. Exits with 2 if there is one. Tasks are
    compared with the registered processors, and with the last run of each phase.
    """
    return view.checked(validate_config(container(ctx)))


@command(
    app,
    "explain",
    examples=["nbactl config explain state_dir", "nbactl config explain timeouts.warehouse.query"],
)
def explain(
    ctx: typer.Context,
    key: Annotated[
        str,
        typer.Argument(
            help="A setting, a variable, or a key of the YAML files such as phases.phase3.",
            metavar="KEY",
            autocompletion=config_keys,
        ),
    ],
) -> View:
    """Explain a setting or a key of the YAML files: its meaning, its value, its origin and its uses."""
    return view.explained(explain_key(container(ctx, reads_only=True), key))


@command(
    app,
    "init",
    examples=["nbactl config init pipeline", "nbactl config init --dry-run", "nbactl config init pipeline --force"],
)
def init(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of the files.", metavar="[DIR]", show_default="--config-dir, else this folder"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ; keep them as NAME.bak.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> View:
    """Write workflows.yaml, timeouts.yaml and flags.yaml into a folder, with their comments, to be edited.

    They are the files that come with this version. A file that is there and differs is not replaced without --force.
    Commands read the files of the working directory, or those of --config-dir.
    """
    where = folder or settings(ctx).config_dir or Path()
    return view.initial(init_config(container(ctx, reads_only=True), InitRequest(where, force=force, dry_run=dry_run)))
