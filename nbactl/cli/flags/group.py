"""The noun whose verbs the modules beside this one add."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.frame import group

app = group()

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Name of a flag.", show_default=False)]
KeysArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY]...", help="Names of flags; else those under rollout.active.", show_default=False),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for the history.", metavar="TEXT")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
