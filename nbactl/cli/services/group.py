"""The groups that the commands of `nbactl services` belong to."""

from __future__ import annotations

from nbactl.cli.frame import group

app = group()
env = group()
app.add_typer(env, name="env", help="Compare and set variables of services.")
